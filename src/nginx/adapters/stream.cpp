#include "stream.h"

#include <algorithm>
#include <cstring>

#include <netinet/tcp.h>
#include <openssl/x509v3.h>
#include <sys/un.h>

namespace agw::nginx {
namespace {

constexpr std::size_t max_ca_file = 4UL << 20U;
constexpr std::size_t pool_size = 1024;

ngx_msec_t timer(Milliseconds timeout) noexcept {
  return static_cast<ngx_msec_t>(std::max<std::int64_t>(timeout.count(), 1));
}

}  // namespace

StreamAddress StreamAddress::of(const IpAddress& ip, std::uint16_t port) {
  StreamAddress address;
  address.text = (ip.v6 ? "[" + ip.text() + "]" : ip.text()) + ":" + std::to_string(port);
  if (ip.v6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    std::memcpy(&in->sin6_addr, ip.bytes.data(), 16);
    address.size = sizeof(sockaddr_in6);
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, ip.bytes.data(), 4);
    address.size = sizeof(sockaddr_in);
  }
  return address;
}

std::optional<StreamAddress> StreamAddress::unix_socket(const std::string& path) {
  StreamAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof un->sun_path) return std::nullopt;
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof(sockaddr_un);
  address.text = "unix:" + path;
  return address;
}

TlsClient::TlsClient(std::string ca_file) : ca_(std::move(ca_file), max_ca_file) {}

TlsClient::~TlsClient() { drop(); }

void TlsClient::drop() noexcept {
  // Connections made with it keep OpenSSL's context themselves.
  if (ssl_.ctx != nullptr) SSL_CTX_free(ssl_.ctx);
  ssl_ = {};
  ERR_clear_error();
}

ngx_ssl_t* TlsClient::context(ngx_log_t* log) {
  if (!ca_.path().empty()) {
    if (!ca_.read()) {
      ngx_log_error(NGX_LOG_ERR, log, 0, "agent gateway: \"%s\" can't be read", ca_.path().c_str());
      return nullptr;
    }
    if (generation_ != ca_.generation()) drop();
    generation_ = ca_.generation();
  }
  if (ssl_.ctx != nullptr) return &ssl_;
  ssl_.log = log;
  if (ngx_ssl_create(&ssl_, NGX_SSL_TLSv1_2 | NGX_SSL_TLSv1_3, nullptr) != NGX_OK) {
    drop();
    return nullptr;
  }
  const bool loaded = ca_.path().empty() ? SSL_CTX_set_default_verify_paths(ssl_.ctx) == 1
                                         : SSL_CTX_load_verify_locations(ssl_.ctx, ca_.path().c_str(), nullptr) == 1;
  ERR_clear_error();
  if (!loaded) {
    ngx_log_error(NGX_LOG_ERR, log, 0, "agent gateway: no certificates can be read from \"%s\"", ca_.path().c_str());
    drop();
    return nullptr;
  }
  SSL_CTX_set_verify(ssl_.ctx, SSL_VERIFY_PEER, nullptr);
  return &ssl_;
}

/// A wait for connection or handshake, in the frame that waits.
class Stream::Step {
 public:
  explicit Step(Stream& stream) noexcept : done(stream.loop_), stream_(stream) { stream.waiting_ = &done; }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() {
    if (stream_.waiting_ == &done) stream_.waiting_ = nullptr;
  }
  Completion<Result<bool, StreamError>> done;

 private:
  Stream& stream_;
};

void Stream::settle(Result<bool, StreamError> outcome) noexcept {
  if (auto* waiting = std::exchange(waiting_, nullptr)) waiting->set(outcome);
}

Task<Result<bool, StreamError>> Stream::connect(StreamAddress address, Milliseconds timeout) {
  close();
  ngx_str_t name{address.text.size(), reinterpret_cast<u_char*>(address.text.data())};
  ngx_peer_connection_t peer{};
  peer.sockaddr = reinterpret_cast<sockaddr*>(&address.storage);
  peer.socklen = address.size;
  peer.name = &name;
  peer.get = ngx_event_get_peer;
  peer.log = loop_.log();
  peer.log_error = NGX_ERROR_ERR;
  const ngx_int_t code = ngx_event_connect_peer(&peer);
  if (code != NGX_OK && code != NGX_AGAIN) {
    if (peer.connection != nullptr) ngx_close_connection(peer.connection);
    co_return fail(StreamError::refused);
  }
  connection_ = peer.connection;
  connection_->data = this;
  connection_->log = loop_.log();
  connection_->read->log = loop_.log();
  connection_->write->log = loop_.log();
  connection_->read->handler = on_connecting;
  connection_->write->handler = on_connecting;
  connection_->pool = ngx_create_pool(pool_size, loop_.log());
  if (connection_->pool == nullptr) {
    close();
    co_return fail(StreamError::refused);
  }
  if (code == NGX_OK) {
    connection_->read->handler = on_nothing;
    connection_->write->handler = on_nothing;
    co_return true;
  }
  ngx_add_timer(connection_->write, timer(timeout));
  Step step(*this);
  co_return co_await step.done;
}

void Stream::on_connecting(ngx_event_t* event) noexcept {
  auto* connection = static_cast<ngx_connection_t*>(event->data);
  auto& self = *static_cast<Stream*>(connection->data);
  if (connection->close) {
    self.close();
    return;
  }
  if (event->timedout) {
    self.settle(fail(StreamError::timeout));
    self.close();
    return;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    ngx_connection_error(connection, error, const_cast<char*>("connect() failed"));
    self.close();
    return;
  }
  if (!event->write) return;
  if (connection->write->timer_set) ngx_del_timer(connection->write);
  connection->read->handler = on_nothing;
  connection->write->handler = on_nothing;
  self.settle(true);
}

void Stream::on_nothing(ngx_event_t* /*event*/) noexcept {
  // Between two steps; what happened meanwhile is found by the next read or write.
}

Task<Result<bool, StreamError>> Stream::secure(TlsClient& tls, std::string host, Milliseconds timeout) {
  if (connection_ == nullptr) co_return fail(StreamError::refused);
  ngx_ssl_t* context = tls.context(loop_.log());
  if (context == nullptr) co_return fail(StreamError::tls);
  Step step(*this);
  if (!handshake(context, host, timeout)) {
    close();
    co_return fail(StreamError::tls);
  }
  co_return co_await step.done;
}

bool Stream::handshake(ngx_ssl_t* context, const std::string& host, Milliseconds timeout) noexcept {
  if (ngx_ssl_create_connection(context, connection_, NGX_SSL_BUFFER | NGX_SSL_CLIENT) != NGX_OK) return false;
  SSL* ssl = connection_->ssl->connection;
  const bool numeric = IpAddress::parse(host).has_value();
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1
                             : X509_VERIFY_PARAM_set1_host(verify, host.data(), host.size()) == 1 &&
                                   SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  ERR_clear_error();
  if (!named) return false;
  // What a write could not take is offered again from a buffer that may have moved and grown.
  SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const ngx_int_t code = ngx_ssl_handshake(connection_);
  if (code == NGX_AGAIN) {
    connection_->ssl->handler = on_handshake;
    ngx_add_timer(connection_->read, timer(timeout));
    return true;
  }
  on_handshake(connection_);
  return true;
}

void Stream::on_handshake(ngx_connection_t* connection) noexcept {
  auto& self = *static_cast<Stream*>(connection->data);
  if (connection->read->timer_set) ngx_del_timer(connection->read);
  if (!connection->ssl->handshaked || SSL_get_verify_result(connection->ssl->connection) != X509_V_OK) {
    self.settle(fail(connection->read->timedout ? StreamError::timeout : StreamError::tls));
    self.close();
    return;
  }
  connection->read->handler = on_nothing;
  connection->write->handler = on_nothing;
  self.settle(true);
}

void Stream::listen() noexcept {
  if (connection_ == nullptr) return;
  connection_->read->handler = on_read;
  connection_->write->handler = on_write;
  int on = 1;
  ::setsockopt(connection_->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(connection_->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // no harm on a unix socket
  // What arrived during the last step was announced then; it is looked for on the next turn.
  if (connection_->read->ready) post_event(connection_->read, &ngx_posted_next_events);
}

void Stream::on_read(ngx_event_t* event) noexcept {
  auto* connection = static_cast<ngx_connection_t*>(event->data);
  auto& self = *static_cast<Stream*>(connection->data);
  if (connection->close) {
    self.listener_.stream_should_close();
    return;
  }
  self.listener_.stream_readable();
}

void Stream::on_write(ngx_event_t* event) noexcept {
  auto* connection = static_cast<ngx_connection_t*>(event->data);
  static_cast<Stream*>(connection->data)->listener_.stream_writable();
}

ssize_t Stream::read(char* out, std::size_t size) noexcept {
  return connection_->recv(connection_, reinterpret_cast<u_char*>(out), size);
}

ssize_t Stream::write(std::string_view bytes) noexcept {
  // nginx's send doesn't change what it sends, whatever its type says.
  return connection_->send(connection_, reinterpret_cast<u_char*>(const_cast<char*>(bytes.data())), bytes.size());
}

bool Stream::watch() noexcept {
  return ngx_handle_read_event(connection_->read, 0) == NGX_OK &&
         ngx_handle_write_event(connection_->write, 0) == NGX_OK;
}

void Stream::set_idle(bool idle) noexcept {
  if (connection_ != nullptr) connection_->idle = idle;
}

void Stream::close() noexcept {
  ngx_connection_t* connection = std::exchange(connection_, nullptr);
  if (connection != nullptr) {
    if (connection->ssl != nullptr) {
      connection->ssl->no_wait_shutdown = 1;
      connection->ssl->no_send_shutdown = 1;
      static_cast<void>(ngx_ssl_shutdown(connection));
      ERR_clear_error();
    }
    ngx_pool_t* pool = connection->pool;
    ngx_close_connection(connection);
    if (pool != nullptr) ngx_destroy_pool(pool);
  }
  settle(fail(StreamError::refused));
}

}  // namespace agw::nginx
