// The load generator's parts: a target (where calls go and what they are), its connections, and the protocols they
// speak.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ID_DIGITS = 9, MAX_TARGETS = 64 };

struct blob {
  char* data;
  size_t size;
};

enum progress { MORE, ANSWERED, BROKEN };

// A whole call as it goes out; a connection sends from its own copy, in which the id differs from call to call.
struct call {
  struct blob bytes;
  size_t id_at;     // offset of the JSON-RPC id's digits
  size_t token_at;  // offset of the token, where calls carry different ones
};

struct http1_state {
  char head[8192];
  size_t head_size;
  bool in_body, chunked;
  size_t left;     // of the body or of the chunk
  int line_state;  // of a chunked body: see http1.c
};

struct http2_state {
  unsigned char frame[9];  // header of the frame that is being read
  size_t frame_filled;
  unsigned char kept[256];  // the beginning of its payload
  size_t kept_filled, payload_left;
  char control[512];  // acknowledgements, sent between two frames
  size_t control_size;
  uint32_t stream;
  int64_t connection_window, stream_window, initial_window;  // what may still be sent
  size_t received;                                           // DATA since the last window update
  bool opened;                                               // the first call's headers fill the header table
};

struct target;

struct connection {
  struct target* target;
  int fd;
  SSL* tls;
  bool busy;
  int64_t begun;  // ns; in an open loop when the call was due
  struct call call;
  size_t sent, may_send;
  int status;
  size_t answer_bytes;
  union {
    struct http1_state h1;
    struct http2_state h2;
  } as;
};

struct protocol {
  const char* name;
  bool tls;
  const char* alpn;  // as TLS writes it, length first
  // Makes what every connection of the target sends.
  bool (*prepare)(struct target*);
  // A connection was made anew.
  void (*opened)(struct connection*);
  // The call is to go out; the id is patched in already.
  void (*begin)(struct connection*);
  enum progress (*take)(struct connection*, const char* data, size_t size);
};

struct target {
  char name[64];
  unsigned short port;
  const struct protocol* protocol;
  char* path;
  struct blob headers;  // lines "Name: value\n"
  struct blob body;
  struct blob tokens;  // lines of equal length; the calls take them in turn
  size_t token_size, token_count, next_token;
  struct call first, later;  // HTTP/2's first call on a connection differs from those that follow
  int count, poll;
  struct connection* connections;
  struct connection** idle;
  int idle_count;
};

extern const struct protocol http1, https1, http2;

// A file with the load's own certificate and key; NULL: it has none.
extern const char* client_certificate;

// wire.c: TCP or TLS. Bytes moved, 0 when it would block, -1 when the connection is over.
bool wire_open(struct connection*);
void wire_close(struct connection*);
ssize_t wire_send(struct connection*, const char* data, size_t size);
ssize_t wire_receive(struct connection*, char* data, size_t size);

// Sends as much as may be sent; false when the connection is over.
bool flush(struct connection*);

// Offset of the id's digits in a call's body, which holds `"id":` and nine digits; size_t's maximum if it doesn't.
size_t find_id(struct blob body);
void set_call(struct connection*, const struct call*);
void* allocate(size_t size);
