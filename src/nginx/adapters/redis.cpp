#include "redis.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agw/grants/sentinel.h"

namespace agw::nginx {
namespace {

constexpr std::size_t read_size = 16UL << 10U;
constexpr std::size_t max_unsent = 16UL << 20U;
constexpr std::size_t max_requests = 8192;
constexpr std::size_t max_addresses_tried = 4;
constexpr std::size_t max_password = 4096;
constexpr Milliseconds first_backoff{50};
constexpr Milliseconds longest_backoff{2000};

/// What a subscribed connection says unasked. Nothing that is asked on one is answered so.
bool is_message(const RedisReply& reply) noexcept {
  return reply.type == RedisReply::Type::array && !reply.elements.empty() && reply.elements.front().text == "message";
}

std::string_view without_line_end(std::string_view text) noexcept {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

/// A caller's place in the queue, in its frame.
class NginxRedis::Wait {
 public:
  Wait(NginxRedis& redis, RequestPtr request)
      : done(redis.host_.loop), redis_(redis), request_(std::move(request)), hold_(redis.host_.loop) {
    request_->waiter = &done;
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  ~Wait() {
    if (request_->waiter != nullptr) redis_.withdraw(request_);
  }
  Completion<Answer> done;

 private:
  NginxRedis& redis_;
  RequestPtr request_;
  NginxLoop::Hold hold_;
};

NginxRedis::NginxRedis(Host host, RedisSettings settings)
    : host_(host),
      settings_(std::move(settings)),
      where_{settings_.address.host, settings_.address.port},
      place_(settings_.address.text()),
      password_(settings_.password_file, max_password),
      tls_(settings_.ca_file),
      stream_(host_.loop, *this),
      alarm_(this, on_alarm, host_.loop.log()) {
  if (host_.guide != nullptr) host_.guide->follow(*this);
}

NginxRedis::~NginxRedis() {
  if (host_.guide != nullptr) host_.guide->leave(*this);
  state_ = State::closed;
  drop(RedisError::closed, {});
}

Task<Result<std::vector<RedisReply>, RedisError>> NginxRedis::pipeline(std::vector<RedisCommand> commands) {
  if (commands.empty()) co_return std::vector<RedisReply>{};
  auto request = std::make_shared<Request>();
  for (const RedisCommand& command : commands) append_command(request->bytes, command);
  request->expected = commands.size();
  request->replies.reserve(commands.size());
  request->deadline = host_.clock.steady() + settings_.timeout;
  Wait wait(*this, request);
  enqueue(std::move(request));
  co_return co_await wait.done;
}

void NginxRedis::enqueue(RequestPtr request) {
  if (queued_.size() + sent_.size() >= max_requests || out_.size() - sent_bytes_ > max_unsent) {
    std::exchange(request->waiter, nullptr)->set(fail(RedisError::timeout));
    return;
  }
  if (state_ == State::ready) {
    transmit(request);
    flush();
    return;
  }
  if (state_ == State::closed) {
    if (failures_ > 0 && host_.clock.steady() < next_attempt_) {
      std::exchange(request->waiter, nullptr)->set(fail(last_error_));
      return;
    }
    host_.loop.spawn(open());
    state_ = State::opening;
  }
  queued_.push_back(std::move(request));
  set_alarm();
}

void NginxRedis::withdraw(const RequestPtr& request) noexcept {
  request->waiter = nullptr;
  // What has been written is answered, and the answer dropped; the rest need not be written.
  std::erase(queued_, request);
}

void NginxRedis::transmit(const RequestPtr& request) {
  // Answers are told apart by their order alone: bytes without an entry, or the other way round,
  // would give one caller another's answer. Whatever may throw comes before the first change.
  out_.reserve(out_.size() + request->bytes.size());
  sent_.push_back(request);
  out_ += request->bytes;
  request->bytes = {};
  stream_.set_idle(false);
  set_alarm();
}

Milliseconds NginxRedis::left(SteadyTime deadline) const noexcept {
  return std::max(deadline - host_.clock.steady(), Milliseconds(1));
}

Task<void> NginxRedis::open() {
  Result<bool, RedisError> outcome = fail(RedisError::connect);
  try {
    auto attempt = establish(host_.clock.steady() + settings_.timeout);
    outcome = co_await std::move(attempt);
    if (outcome) opened();
  } catch (...) {
    not_opened(RedisError::connect);
    throw;
  }
  if (!outcome) not_opened(outcome.error());
}

Task<Result<bool, RedisError>> NginxRedis::establish(SteadyTime deadline) {
  auto connecting = connect(deadline);
  if (auto connected = co_await std::move(connecting); !connected) co_return connected;
  if (settings_.address.tls && settings_.address.unix_path.empty()) {
    auto securing = stream_.secure(tls_, where_.host, left(deadline));
    if (auto secured = co_await std::move(securing); !secured) {
      co_return fail(secured.error() == StreamError::timeout ? RedisError::timeout : RedisError::tls);
    }
  }
  stream_.listen();
  out_.clear();
  sent_bytes_ = 0;
  reader_ = std::make_unique<RedisReader>(settings_.max_reply);
  auto greeting = greet(deadline);
  co_return co_await std::move(greeting);
}

/// Where to connect to: asked anew for each connection.
Task<Result<bool, RedisError>> NginxRedis::locate() {
  if (host_.guide == nullptr) co_return true;
  auto asking = host_.guide->master();
  auto found = co_await std::move(asking);
  if (!found) {
    say(LogLevel::warn, host_.guide->lost());
    co_return fail(RedisError::connect);
  }
  where_ = *std::move(found);
  place_ = settings_.address.text() + ", " + where_.text();
  co_return true;
}

Task<Result<bool, RedisError>> NginxRedis::connect(SteadyTime deadline) {
  auto locating = locate();
  if (auto located = co_await std::move(locating); !located) co_return located;
  std::vector<StreamAddress> places;
  if (!settings_.address.unix_path.empty()) {
    if (auto address = StreamAddress::unix_socket(settings_.address.unix_path)) places.push_back(std::move(*address));
  } else {
    auto lookup = host_.names.find(where_.host, left(deadline));
    auto found = co_await std::move(lookup);
    if (!found) {
      say(LogLevel::warn, "the name has no address that can be found");
      co_return fail(found.error() == NameError::timeout ? RedisError::timeout : RedisError::connect);
    }
    for (const IpAddress& ip : *found) {
      if (places.size() < max_addresses_tried) places.push_back(StreamAddress::of(ip, where_.port));
    }
  }
  RedisError error = RedisError::connect;
  for (std::size_t i = 0; i < places.size(); ++i) {
    // A silent address leaves time for the others.
    const auto share = left(deadline) / static_cast<int>(places.size() - i);
    auto attempt = stream_.connect(std::move(places[i]), share);
    auto connected = co_await std::move(attempt);
    if (connected) co_return true;
    error = connected.error() == StreamError::timeout ? RedisError::timeout : RedisError::connect;
  }
  co_return fail(error);
}

Task<Result<bool, RedisError>> NginxRedis::greet(SteadyTime deadline) {
  auto request = std::make_shared<Request>();
  if (!settings_.password_file.empty()) {
    const auto password = password_.read();
    if (!password) {
      say(LogLevel::error, "the password file can't be read: " + settings_.password_file);
      co_return fail(RedisError::auth);
    }
    RedisCommand auth{"AUTH"};
    if (!settings_.address.user.empty()) auth.push_back(settings_.address.user);
    auth.emplace_back(without_line_end((*password)->reveal()));
    request->bytes.reserve(64 + auth.back().size() + settings_.address.user.size());
    append_command(request->bytes, auth);
    wipe(auth.back().data(), auth.back().size());
    ++request->expected;
  }
  if (settings_.address.db != 0) {
    append_command(request->bytes, {"SELECT", std::to_string(settings_.address.db)});
    ++request->expected;
  }
  if (host_.guide != nullptr) {
    append_command(request->bytes, {"ROLE"});
    ++request->expected;
  }
  if (request->expected == 0) co_return true;
  request->deadline = deadline;
  Wait wait(*this, request);
  const std::size_t size = request->bytes.size();
  out_.reserve(size);
  out_ += request->bytes;
  wipe(request->bytes.data(), size);
  sent_.push_back(std::move(request));
  set_alarm();
  flush();
  auto replies = co_await wait.done;
  if (!replies) co_return fail(replies.error());
  co_return welcomed(*replies);
}

Result<bool, RedisError> NginxRedis::welcomed(const std::vector<RedisReply>& replies) noexcept {
  for (const RedisReply& reply : replies) {
    if (reply.type != RedisReply::Type::error) continue;
    say(LogLevel::error, "refused the credentials, the database or ROLE", reply.text);
    return fail(RedisError::auth);
  }
  // It was deposed, and those who were asked didn't know yet; or it never was one.
  if (host_.guide == nullptr || grants::is_master(replies.back())) return true;
  say(LogLevel::warn, "is no master");
  return fail(RedisError::connect);
}

/// Whoever is connected to another one is connected to one that was deposed.
void NginxRedis::master_is(const grants::RedisPlace& place) noexcept {
  if (state_ != State::ready || where_ == place) return;
  // Once: who doesn't answer by the next time won't.
  const bool waits = host_.guide->hands_over() && listener_ == nullptr && !sent_.empty() && !leaving_;
  if (waits) {
    leaving_ = true;
    return;
  }
  drop(RedisError::closed, "isn't the master any more");
}

void NginxRedis::opened() {
  if (!stream_.is_open()) {
    not_opened(RedisError::closed);
    return;
  }
  state_ = State::ready;
  leaving_ = false;
  ++connections_;
  failures_ = 0;
  out_.clear();
  sent_bytes_ = 0;
  while (!queued_.empty()) {
    transmit(queued_.front());
    queued_.pop_front();
  }
  flush();
  settle();
}

void NginxRedis::not_opened(RedisError error) noexcept {
  last_error_ = error;
  trouble_ = error;
  const Milliseconds longest = std::min(first_backoff * (1U << std::min(failures_, 6U)), longest_backoff);
  Milliseconds backoff = longest;
  try {
    // Between half and all of it, so that workers and machines don't come back together.
    backoff = longest / 2 + Milliseconds(host_.random.next() % static_cast<std::uint64_t>(longest.count() / 2 + 1));
  } catch (...) {
    backoff = longest;
  }
  ++failures_;
  next_attempt_ = host_.clock.steady() + backoff;
  state_ = State::closed;
  drop(error, "can't be used");
}

void NginxRedis::stream_readable() noexcept {
  try {
    receive();
  } catch (...) {
    drop(RedisError::protocol, "an answer doesn't fit into memory");
  }
}

void NginxRedis::receive() {
  std::array<char, read_size> buffer;
  while (stream_.is_open()) {
    const ssize_t got = stream_.read(buffer.data(), buffer.size());
    if (got == NGX_AGAIN) {
      if (!stream_.watch()) {
        drop(RedisError::closed, "the connection can't be watched");
        return;
      }
      break;
    }
    if (got <= 0) {
      drop(RedisError::closed, sent_.empty() ? std::string_view() : "closed the connection with answers outstanding");
      return;
    }
    if (!reader_->feed({buffer.data(), static_cast<std::size_t>(got)})) {
      drop(RedisError::protocol, "sent an answer that is too large");
      return;
    }
    while (true) {
      auto reply = reader_->next();
      if (!reply) {
        drop(RedisError::protocol, "sent what isn't a Redis answer, or one that is too large");
        return;
      }
      if (!*reply) break;
      if (listener_ != nullptr && is_message(**reply)) {
        listener_->heard(**reply);
        continue;
      }
      if (sent_.empty()) {
        drop(RedisError::protocol, "sent an answer that nobody asked for");
        return;
      }
      take(std::move(**reply));
    }
  }
  settle();
}

void NginxRedis::take(RedisReply reply) {
  trouble_.reset();
  Request& front = *sent_.front();
  front.replies.push_back(std::move(reply));
  if (front.replies.size() < front.expected) return;
  if (auto* waiter = std::exchange(front.waiter, nullptr)) waiter->set(std::move(front.replies));
  sent_.pop_front();
}

void NginxRedis::settle() noexcept {
  set_alarm();
  if (state_ != State::ready || !sent_.empty()) return;
  if (listener_ != nullptr) return;
  if (leaving_) {
    drop(RedisError::closed, "isn't the master any more");
    return;
  }
  if (ngx_exiting) {
    drop(RedisError::closed, {});
    return;
  }
  stream_.set_idle(true);
}

void NginxRedis::flush() noexcept {
  while (stream_.is_open() && sent_bytes_ < out_.size()) {
    const ssize_t taken = stream_.write(std::string_view(out_).substr(sent_bytes_));
    if (taken == NGX_AGAIN) {
      if (!stream_.watch()) drop(RedisError::closed, "the connection can't be watched");
      return;
    }
    if (taken < 0) {
      drop(RedisError::closed, "the connection broke");
      return;
    }
    sent_bytes_ += static_cast<std::size_t>(taken);
  }
  if (sent_bytes_ != out_.size()) return;
  if (state_ == State::opening) wipe(out_.data(), out_.size());  // the password was in it
  out_.clear();
  sent_bytes_ = 0;
  if (out_.capacity() > max_unsent / 16) out_.shrink_to_fit();
}

void NginxRedis::stream_writable() noexcept { flush(); }

void NginxRedis::stream_should_close() noexcept { drop(RedisError::closed, {}); }

void NginxRedis::drop(RedisError error, std::string_view why) noexcept {
  if (!why.empty()) {
    say(LogLevel::warn, why, to_string(error));
    trouble_ = error;
  }
  // An opening that is under way sees its step fail, and ends what is queued by itself.
  const bool was_ready = state_ == State::ready;
  if (was_ready) state_ = State::closed;
  stream_.close();
  out_.clear();
  sent_bytes_ = 0;
  fail_all(sent_, error);
  if (state_ != State::opening) fail_all(queued_, error);
  set_alarm();
  if (was_ready && listener_ != nullptr) listener_->lost();
}

void NginxRedis::fail_all(std::deque<RequestPtr>& requests, RedisError error) noexcept {
  // A waiter goes on at a later turn of the loop: nothing is added meanwhile.
  for (; !requests.empty(); requests.pop_front()) {
    if (auto* waiter = std::exchange(requests.front()->waiter, nullptr)) waiter->set(fail(error));
  }
}

void NginxRedis::tell(status::Report& report) const {
  report.store.connected = state_ == State::ready ? 1 : 0;
  if (trouble_) report.store.trouble.set(to_string(*trouble_));
}

void NginxRedis::set_alarm() noexcept {
  // Both queues are in the order of their deadlines.
  std::optional<SteadyTime> next;
  if (!sent_.empty()) next = sent_.front()->deadline;
  if (!queued_.empty() && (!next || queued_.front()->deadline < *next)) next = queued_.front()->deadline;
  if (next) {
    alarm_.set(left(*next));
  } else {
    alarm_.cancel();
  }
}

void NginxRedis::on_alarm(void* self) noexcept { static_cast<NginxRedis*>(self)->late(); }

void NginxRedis::late() noexcept {
  const SteadyTime now = host_.clock.steady();
  while (!queued_.empty() && queued_.front()->deadline <= now) {
    const RequestPtr request = std::move(queued_.front());
    queued_.pop_front();
    if (auto* waiter = std::exchange(request->waiter, nullptr)) waiter->set(fail(RedisError::timeout));
  }
  if (!sent_.empty() && sent_.front()->deadline <= now) {
    const RequestPtr request = sent_.front();
    if (auto* waiter = std::exchange(request->waiter, nullptr)) waiter->set(fail(RedisError::timeout));
    drop(RedisError::closed, "an answer is late");
    trouble_ = RedisError::timeout;
    return;
  }
  set_alarm();
}

void NginxRedis::say(LogLevel level, std::string_view what, std::string_view error) noexcept {
  try {
    std::string line = "Redis at " + place_ + ": ";
    line += what;
    if (!error.empty()) line.append(" (").append(error).append(")");
    host_.log.write(level, line);
  } catch (...) {
    host_.log.write(level, what);
  }
}

}  // namespace agw::nginx
