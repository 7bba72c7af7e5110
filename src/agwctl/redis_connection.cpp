#include "redis_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agw/base/descriptor.h"
#include "agw/grants/cluster.h"
#include "agw/grants/sentinel.h"
#include "agw/io/address.h"
#include "agw/io/files.h"
#include "agw/io/redis_protocol.h"

#include "failure.h"

namespace agw::agwctl {
namespace {

constexpr std::size_t max_reply = 1UL << 30U;
constexpr std::size_t max_password = 4096;

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct SslDeleter {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
struct AddressDeleter {
  void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

/// Connects within the timeout; errno tells why not.
bool connect_within(int fd, const sockaddr* address, socklen_t size, int timeout_ms) {
  if (::connect(fd, address, size) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&wait, 1, timeout_ms);
  if (ready <= 0) {
    if (ready == 0) errno = ETIMEDOUT;
    return false;
  }
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return false;
  errno = error;
  return error == 0;
}

/// From here on the socket blocks, but never longer than the timeout.
void make_blocking(int fd, int timeout_ms) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  const timeval wait{.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000L};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

Descriptor connect_unix(const std::string& path, int timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Failure("the path of the unix socket is too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connect_within(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, timeout_ms))
    throw Failure("no connection to unix:" + path + ": " + std::strerror(errno));
  return fd;
}

Descriptor connect_tcp(const grants::RedisAddress& address, int timeout_ms) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) throw Failure("the host of " + address.text() + " can't be resolved: " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, AddressDeleter> list(found);
  int reason = 0;
  for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
    Descriptor fd(::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() >= 0 && connect_within(fd.get(), each->ai_addr, each->ai_addrlen, timeout_ms)) return fd;
    reason = errno;
  }
  throw Failure("no connection to " + address.text() + ": " + std::strerror(reason));
}

}  // namespace

class RedisConnection::Socket {
 public:
  explicit Socket(const RedisOptions& options)
      : fd_(options.address.unix_path.empty() ? connect_tcp(options.address, options.timeout_ms)
                                              : connect_unix(options.address.unix_path, options.timeout_ms)) {
    make_blocking(fd_.get(), options.timeout_ms);
    if (options.address.tls) start_tls(options);
  }

  [[nodiscard]] Result<void, RedisError> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const long sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), chunk)))
                             : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        if (!ssl_ && errno == EINTR) continue;
        return fail(error_of_last_call());
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }

  [[nodiscard]] Result<RedisReply, RedisError> receive() {
    while (true) {
      auto reply = reader_.next();
      if (!reply) return fail(reply.error());
      if (*reply) return **std::move(reply);
      const long got = ssl_ ? SSL_read(ssl_.get(), block_.data(), static_cast<int>(block_.size()))
                            : ::recv(fd_.get(), block_.data(), block_.size(), 0);
      if (got <= 0) {
        if (!ssl_ && got < 0 && errno == EINTR) continue;
        return fail(got == 0 && !ssl_ ? RedisError::closed : error_of_last_call());
      }
      if (!reader_.feed({block_.data(), static_cast<std::size_t>(got)})) return fail(RedisError::protocol);
    }
  }

 private:
  static constexpr std::size_t chunk = 1UL << 20U;

  [[nodiscard]] static RedisError error_of_last_call() {
    return errno == EAGAIN || errno == EWOULDBLOCK ? RedisError::timeout : RedisError::closed;
  }

  void start_tls(const RedisOptions& options) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) throw Failure("TLS can't be set up");
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    const bool trusted = options.ca_file.empty()
                             ? SSL_CTX_set_default_verify_paths(context_.get()) == 1
                             : SSL_CTX_load_verify_locations(context_.get(), options.ca_file.c_str(), nullptr) == 1;
    if (!trusted) throw Failure("the trust anchors can't be read: " + options.ca_file);
    ssl_.reset(SSL_new(context_.get()));
    const std::string& host = options.address.host;
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl_.get());
    if (IpAddress::parse(host)) {
      X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
      X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size());
    }
    SSL_set_fd(ssl_.get(), fd_.get());
    if (SSL_connect(ssl_.get()) == 1) return;
    const long verdict = SSL_get_verify_result(ssl_.get());
    const std::string why = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "the handshake failed";
    throw Failure("no TLS with " + options.address.text() + ": " + why);
  }

  Descriptor fd_;
  std::unique_ptr<SSL_CTX, SslContextDeleter> context_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
  RedisReader reader_{max_reply};
  std::array<char, 65536> block_{};
};

namespace {

constexpr int sentinel_timeout_ms = 2000;

std::optional<grants::RedisPlace> ask_sentinel(const RedisOptions& options, const grants::RedisPlace& place) {
  RedisOptions own;
  own.address.host = place.host;
  own.address.port = place.port;
  own.address.tls = options.address.tls;
  own.ca_file = options.ca_file;
  own.password_file = options.sentinel_password_file;
  own.timeout_ms = sentinel_timeout_ms;
  RedisConnection sentinel(own);
  return grants::read_master(sentinel.ask({grants::master_question(options.address.master)}).front());
}

/// The options for the Redis that is the master now.
RedisOptions located(RedisOptions options) {
  const auto& sentinels = options.address.sentinels;
  if (sentinels.empty()) return options;
  grants::Election election(sentinels.size());
  std::string last;
  for (const auto& place : sentinels) {
    try {
      election.vote(ask_sentinel(options, place));
    } catch (const Failure& failure) {
      last = failure.what();
      election.vote(std::nullopt);
    }
    if (election.over()) break;
  }
  if (election.elected() == nullptr)
    throw Failure("no majority of the Sentinels names the master " + options.address.master +
                  (last.empty() ? "" : "; " + last));
  options.address.host = election.elected()->host;
  options.address.port = election.elected()->port;
  options.address.sentinels.clear();
  return options;
}

}  // namespace

RedisConnection::RedisConnection(const RedisOptions& asked) { open(located(asked), asked.address.fails_over()); }

RedisConnection::RedisConnection(const RedisOptions& asked, const grants::RedisPlace& node) : of_cluster_(true) {
  RedisOptions options = asked;
  options.address.seeds.clear();
  options.address.host = node.host;
  options.address.port = node.port;
  open(options, true);
}

void RedisConnection::open(const RedisOptions& options, bool must_be_master) {
  name_ = options.address.text();
  std::vector<RedisCommand> greeting;
  if (!options.password_file.empty()) {
    WatchedFile file(options.password_file, max_password);
    const auto content = file.read();
    if (!content) throw Failure("the password file can't be read: " + options.password_file);
    std::string password((*content)->reveal());
    while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) password.pop_back();
    greeting.push_back({"AUTH"});
    if (!options.address.user.empty()) greeting.back().push_back(options.address.user);
    greeting.back().push_back(std::move(password));
  }
  if (options.address.db != 0) greeting.push_back({"SELECT", std::to_string(options.address.db)});
  if (must_be_master) greeting.push_back({"ROLE"});
  socket_ = std::make_unique<Socket>(options);
  const auto replies = ask(greeting);
  for (const RedisReply& reply : replies)
    if (reply.type == RedisReply::Type::error)
      throw Failure(name_ + " refuses the connection: " + reply.text.substr(0, reply.text.find(' ')) +
                    " (wrong or missing --password-file, user or database)");
  if (must_be_master && !grants::is_master(replies.back()))
    throw Failure(name_ + ": what " + (of_cluster_ ? "the Cluster" : "the Sentinels") + " name" +
                  (of_cluster_ ? "s" : "") + " is no master");
}

RedisConnection::~RedisConnection() = default;

Result<std::vector<RedisReply>, RedisError> RedisConnection::exchange(const std::vector<RedisCommand>& commands) {
  std::string bytes;
  for (const auto& command : commands) append_command(bytes, command);
  const auto sent = socket_->send(bytes);
  wipe(bytes.data(), bytes.size());
  if (!sent) return fail(sent.error());
  std::vector<RedisReply> replies;
  replies.reserve(commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    auto reply = socket_->receive();
    if (!reply) return fail(reply.error());
    replies.push_back(*std::move(reply));
  }
  const bool elsewhere = of_cluster_ && std::any_of(replies.begin(), replies.end(), [](const RedisReply& reply) {
                           return grants::read_redirection(reply, {}).has_value();
                         });
  if (elsewhere) throw Failure(name_ + ": the Cluster doesn't serve these keys now, or is moving them; try again");
  return replies;
}

Task<Result<std::vector<RedisReply>, RedisError>> RedisConnection::pipeline(std::vector<RedisCommand> commands) {
  co_return exchange(commands);
}

std::vector<RedisReply> RedisConnection::ask(const std::vector<RedisCommand>& commands) {
  auto replies = exchange(commands);
  if (!replies) throw Failure(name_ + ": " + std::string(to_string(replies.error())));
  return *std::move(replies);
}

}  // namespace agw::agwctl
