// TCP and TLS, blocking while a connection is made and never after.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

const char* client_certificate;

static SSL_CTX* context(void) {
  static SSL_CTX* made;
  if (made == NULL) {
    made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(made, SSL_VERIFY_NONE, NULL);  // loopback, a certificate made for this run
    // Its own, which it shows to who asks.
    if (client_certificate != NULL && (SSL_CTX_use_certificate_chain_file(made, client_certificate) != 1 ||
                                       SSL_CTX_use_PrivateKey_file(made, client_certificate, SSL_FILETYPE_PEM) != 1))
      abort();
  }
  return made;
}

static bool greet(struct connection* c) {
  c->tls = SSL_new(context());
  if (c->tls == NULL || SSL_set_fd(c->tls, c->fd) != 1) return false;
  const char* alpn = c->target->protocol->alpn;
  SSL_set_alpn_protos(c->tls, (const unsigned char*)alpn, (unsigned)alpn[0] + 1);
  if (SSL_connect(c->tls) != 1) return false;
  const unsigned char* chosen = NULL;
  unsigned size = 0;
  SSL_get0_alpn_selected(c->tls, &chosen, &size);
  return size == (unsigned)alpn[0];
}

bool wire_open(struct connection* c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(c->target->port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  c->tls = NULL;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) return false;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const bool good = connect(c->fd, (struct sockaddr*)&address, sizeof address) == 0 &&
                    (!c->target->protocol->tls || greet(c)) && fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0;
  if (!good) wire_close(c);
  return good;
}

void wire_close(struct connection* c) {
  if (c->tls != NULL) SSL_free(c->tls);
  if (c->fd >= 0) close(c->fd);
  c->tls = NULL;
  c->fd = -1;
}

static ssize_t of_tls(struct connection* c, int result) {
  if (result > 0) return result;
  const int why = SSL_get_error(c->tls, result);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t wire_send(struct connection* c, const char* data, size_t size) {
  if (c->tls != NULL) return of_tls(c, SSL_write(c->tls, data, (int)size));
  const ssize_t done = send(c->fd, data, size, MSG_NOSIGNAL);
  if (done >= 0) return done;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

ssize_t wire_receive(struct connection* c, char* data, size_t size) {
  if (c->tls != NULL) return of_tls(c, SSL_read(c->tls, data, (int)size));
  const ssize_t done = recv(c->fd, data, size, 0);
  if (done > 0) return done;
  return done < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}
