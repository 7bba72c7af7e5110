// One outgoing connection of nginx's loop, with or without TLS.
#pragma once

#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/task.h"
#include "agw/io/address.h"
#include "agw/io/files.h"

#include "../nginx.h"
#include "loop.h"

namespace agw::nginx {

/// Where to connect.
struct StreamAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;

  [[nodiscard]] static StreamAddress of(const IpAddress& ip, std::uint16_t port);
  /// Nothing if the path is too long for a socket's name.
  [[nodiscard]] static std::optional<StreamAddress> unix_socket(const std::string& path);
};

/// TLS for outgoing connections: verified against a file of trust anchors, or the system's.
class TlsClient {
 public:
  explicit TlsClient(std::string ca_file);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient();
  /// Makes the context, anew if the file has changed (one stat). Null if the anchors can't be read.
  [[nodiscard]] ngx_ssl_t* context(ngx_log_t* log);

 private:
  void drop() noexcept;
  WatchedFile ca_;
  std::uint64_t generation_ = 0;
  ngx_ssl_t ssl_{};
};

class StreamListener {
 public:
  virtual ~StreamListener() = default;
  /// Something may be read (or the other side has closed).
  virtual void stream_readable() noexcept = 0;
  virtual void stream_writable() noexcept = 0;
  /// nginx wants idle connections closed: the worker is on its way out.
  virtual void stream_should_close() noexcept = 0;
};

enum class StreamError { refused, timeout, tls };

class Stream {
 public:
  Stream(NginxLoop& loop, StreamListener& listener) noexcept : loop_(loop), listener_(listener) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { close(); }

  /// Only one of the two at a time; close() ends a wait with `refused`.
  [[nodiscard]] Task<Result<bool, StreamError>> connect(StreamAddress address, Milliseconds timeout);
  /// After connect(): the handshake; the certificate must be for `host` (a name or an address).
  [[nodiscard]] Task<Result<bool, StreamError>> secure(TlsClient& tls, std::string host, Milliseconds timeout);
  /// After connect() or secure(): the listener is called from now on.
  void listen() noexcept;

  /// Bytes; 0 when the other side has closed; NGX_AGAIN; NGX_ERROR.
  [[nodiscard]] ssize_t read(char* out, std::size_t size) noexcept;
  /// Bytes taken, NGX_AGAIN (the listener hears when to go on) or NGX_ERROR.
  [[nodiscard]] ssize_t write(std::string_view bytes) noexcept;
  /// To be called after read() or write() said NGX_AGAIN. False if nginx can't watch it any more.
  [[nodiscard]] bool watch() noexcept;

  void set_idle(bool idle) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return connection_ != nullptr; }
  void close() noexcept;

 private:
  class Step;
  static void on_connecting(ngx_event_t* event) noexcept;
  static void on_handshake(ngx_connection_t* connection) noexcept;
  static void on_read(ngx_event_t* event) noexcept;
  static void on_write(ngx_event_t* event) noexcept;
  static void on_nothing(ngx_event_t* event) noexcept;
  void settle(Result<bool, StreamError> outcome) noexcept;
  [[nodiscard]] bool handshake(ngx_ssl_t* context, const std::string& host, Milliseconds timeout) noexcept;

  NginxLoop& loop_;
  StreamListener& listener_;
  ngx_connection_t* connection_ = nullptr;
  Completion<Result<bool, StreamError>>* waiting_ = nullptr;
};

}  // namespace agw::nginx
