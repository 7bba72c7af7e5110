#include "curl_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace agw::nginx {
namespace {

// Bounds for one worker: connections at a time, to one host, and idle or busy kept altogether.
constexpr long max_connections = 256;
constexpr long max_host_connections = 64;
constexpr long max_kept = 32;
constexpr std::size_t expected_transfers = 64;

bool set_active(ngx_event_t* event, ngx_int_t kind, bool wanted) noexcept {
  if (static_cast<bool>(event->active) == wanted) return true;
  return (wanted ? ngx_add_event(event, kind, NGX_LEVEL_EVENT) : ngx_del_event(event, kind, 0)) == NGX_OK;
}

}  // namespace

/// One socket of curl's as nginx sees it.
class CurlPool::Watch {
 public:
  Watch(CurlPool& pool, curl_socket_t socket) noexcept : pool_(pool), socket_(socket) {}
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { stop(); }

  [[nodiscard]] curl_socket_t socket() const noexcept { return socket_; }

  [[nodiscard]] bool want(bool readable, bool writable) noexcept {
    if (connection_ == nullptr && !start()) return false;
    return set_active(connection_->read, NGX_READ_EVENT, readable) &&
           set_active(connection_->write, NGX_WRITE_EVENT, writable);
  }

  /// The number now belongs to another socket: what was wanted of the former is wanted of it.
  [[nodiscard]] bool renew() noexcept {
    if (connection_ == nullptr) return true;
    const bool readable = connection_->read->active;
    const bool writable = connection_->write->active;
    stop();
    return want(readable, writable);
  }

  /// One event; the watch may be gone afterwards.
  void act(bool writable) const noexcept { pool_.act(socket_, writable ? CURL_CSELECT_OUT : CURL_CSELECT_IN); }

 private:
  [[nodiscard]] bool start() noexcept {
    const int duplicate = ::fcntl(socket_, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) return false;
    connection_ = adopt_descriptor(duplicate, this, on_event, pool_.loop_.log());
    if (connection_ == nullptr) ::close(duplicate);
    return connection_ != nullptr;
  }

  void stop() noexcept {
    if (connection_ == nullptr) return;
    // Closing alone would leave it in epoll for as long as curl's own descriptor is open.
    set_active(connection_->read, NGX_READ_EVENT, false);
    set_active(connection_->write, NGX_WRITE_EVENT, false);
    ngx_close_connection(std::exchange(connection_, nullptr));
  }

  CurlPool& pool_;
  curl_socket_t socket_;
  ngx_connection_t* connection_ = nullptr;
};

CurlPool::CurlPool(NginxLoop& loop)
    : loop_(loop), alarm_(this, on_alarm, loop.log()), nudge_(this, on_nudge, loop.log()), multi_(curl_multi_init()) {
  ERR_clear_error();
  if (multi_ == nullptr) throw std::bad_alloc();
  transfers_.reserve(expected_transfers);
  watched_.reserve(expected_transfers);
  unwatchable_.reserve(expected_transfers);
  without_socket_.reserve(expected_transfers);
  using OnSocket = int (*)(CURL*, curl_socket_t, int, void*, void*);
  using OnTimeout = int (*)(CURLM*, long, void*);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, static_cast<OnSocket>(on_socket));
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, static_cast<OnTimeout>(on_timeout));
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, max_host_connections);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, max_kept);
}

CurlPool::~CurlPool() {
  while (!transfers_.empty()) remove(*transfers_.back());
  curl_multi_cleanup(multi_);
  ERR_clear_error();
}

bool CurlPool::add(CurlTransfer& transfer) noexcept {
  try {
    transfers_.push_back(&transfer);
  } catch (const std::bad_alloc&) {
    return false;
  }
  const CURLMcode code = curl_multi_add_handle(multi_, transfer.handle());
  ERR_clear_error();
  if (code == CURLM_OK) return true;
  transfers_.pop_back();
  return false;
}

void CurlPool::remove(CurlTransfer& transfer) noexcept {
  const auto found = std::ranges::find(transfers_, &transfer);
  if (found == transfers_.end()) return;
  transfers_.erase(found);
  std::erase(unwatchable_, transfer.handle());
  std::erase(without_socket_, transfer.handle());
  curl_multi_remove_handle(multi_, transfer.handle());
  ERR_clear_error();
}

int CurlPool::on_socket(CURL* easy, curl_socket_t socket, int what, void* data, void* watched) noexcept {
  auto& self = *static_cast<CurlPool*>(data);
  auto* known = static_cast<Watch*>(watched);
  if (what == CURL_POLL_REMOVE) {
    // It is closed now, or kept idle; either way there is nothing to wait for.
    curl_multi_assign(self.multi_, socket, nullptr);
    std::erase_if(self.watched_, [known](const auto& watch) { return watch.get() == known; });
  }
  try {
    if (what == CURL_POLL_REMOVE) {
      self.without_socket_.push_back(easy);
      return 0;
    }
    if (!self.watch(socket, known, what)) self.unwatchable(easy);
    return 0;
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

bool CurlPool::watch(curl_socket_t socket, Watch* known, int what) {
  if (known == nullptr) {
    known = watched_.emplace_back(std::make_unique<Watch>(*this, socket)).get();
    curl_multi_assign(multi_, socket, known);
  }
  return known->want((what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
}

void CurlPool::unwatchable(CURL* easy) {
  // An error returned to curl would end every transfer of the pool.
  unwatchable_.push_back(easy);
  alarm_.set(Milliseconds(0));
}

void CurlPool::opened(CurlTransfer& transfer, curl_socket_t socket) noexcept {
  for (const auto& watch : watched_) {
    if (watch->socket() == socket && !watch->renew()) {
      try {
        unwatchable(transfer.handle());
      } catch (const std::bad_alloc&) {
        return;  // its timeout ends it
      }
    }
  }
}

int CurlPool::on_timeout(CURLM* /*multi*/, long milliseconds, void* data) noexcept {
  auto& alarm = static_cast<CurlPool*>(data)->alarm_;
  if (milliseconds < 0) {
    alarm.cancel();
  } else {
    alarm.set(Milliseconds(milliseconds));
  }
  return 0;
}

void CurlPool::on_event(ngx_event_t* event) noexcept {
  static_cast<Watch*>(static_cast<ngx_connection_t*>(event->data)->data)->act(event->write);
}

void CurlPool::on_alarm(void* self) noexcept { static_cast<CurlPool*>(self)->act(CURL_SOCKET_TIMEOUT, 0); }

void CurlPool::on_nudge(void* data) noexcept {
  auto& self = *static_cast<CurlPool*>(data);
  int running = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  // The one call that goes on with a transfer for which neither a socket nor a timer speaks.
  curl_multi_socket_all(self.multi_, &running);
#pragma GCC diagnostic pop
  ERR_clear_error();
  self.collect();
}

void CurlPool::act(curl_socket_t socket, int mask) noexcept {
  int running = 0;
  curl_multi_socket_action(multi_, socket, mask, &running);
  // nginx takes what it finds in OpenSSL's queue for its own connections' errors.
  ERR_clear_error();
  collect();
}

CurlTransfer* CurlPool::find(const CURL* easy) const noexcept {
  const auto found = std::ranges::find(transfers_, easy, [](const CurlTransfer* t) { return t->handle(); });
  return found == transfers_.end() ? nullptr : *found;
}

void CurlPool::collect() noexcept {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    // The message dies with the handle's membership.
    const CURLcode code = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    if (CurlTransfer* transfer = find(message->easy_handle)) settle(*transfer, code);
  }
  while (!unwatchable_.empty()) {
    CURL* easy = unwatchable_.back();
    unwatchable_.pop_back();
    if (CurlTransfer* transfer = find(easy)) settle(*transfer, CURLE_COULDNT_CONNECT);
  }
  // An address that stayed silent: curl closes its socket and tries the next one when it is called
  // again, but asks for no call.
  const bool stuck = std::ranges::any_of(without_socket_, [this](CURL* easy) { return find(easy) != nullptr; });
  without_socket_.clear();
  if (stuck) nudge_.set(Milliseconds(0));
}

void CurlPool::settle(CurlTransfer& transfer, CURLcode code) noexcept {
  remove(transfer);
  transfer.finished(code);
}

}  // namespace agw::nginx
