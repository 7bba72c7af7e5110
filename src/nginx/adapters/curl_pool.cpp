#include "curl_pool.h"

#include <algorithm>
#include <new>

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

CurlPool::CurlPool(NginxLoop& loop) : loop_(loop), alarm_(this, on_alarm, loop.log()), multi_(curl_multi_init()) {
  ERR_clear_error();
  if (multi_ == nullptr) throw std::bad_alloc();
  transfers_.reserve(expected_transfers);
  watched_.reserve(expected_transfers);
  unwatchable_.reserve(expected_transfers);
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
  while (!watched_.empty()) unwatch(watched_.back());
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
  curl_multi_remove_handle(multi_, transfer.handle());
  ERR_clear_error();
}

int CurlPool::on_socket(CURL* easy, curl_socket_t socket, int what, void* data, void* watched) noexcept {
  auto& self = *static_cast<CurlPool*>(data);
  auto* connection = static_cast<ngx_connection_t*>(watched);
  if (what == CURL_POLL_REMOVE) {
    // curl closes the socket after this, or keeps it idle; either way it is no longer ours to watch.
    if (connection != nullptr) self.unwatch(connection);
    return 0;
  }
  try {
    if (connection == nullptr) {
      self.watched_.reserve(self.watched_.size() + 1);
      self.unwatchable_.reserve(self.unwatchable_.size() + 1);
      connection = adopt_descriptor(socket, &self, on_event, self.loop_.log());
      if (connection != nullptr) {
        self.watched_.push_back(connection);
        curl_multi_assign(self.multi_, socket, connection);
      }
    }
    if (connection == nullptr || !self.watch(*connection, what)) {
      // An error returned from here would end every transfer of the pool.
      self.unwatchable_.push_back(easy);
      self.alarm_.set(Milliseconds(0));
    }
    return 0;
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

bool CurlPool::watch(ngx_connection_t& connection, int what) noexcept {
  return set_active(connection.read, NGX_READ_EVENT, (what & CURL_POLL_IN) != 0) &&
         set_active(connection.write, NGX_WRITE_EVENT, (what & CURL_POLL_OUT) != 0);
}

void CurlPool::unwatch(ngx_connection_t* connection) noexcept {
  std::erase(watched_, connection);
  set_active(connection->read, NGX_READ_EVENT, false);
  set_active(connection->write, NGX_WRITE_EVENT, false);
  delete_posted_event(connection->read);
  delete_posted_event(connection->write);
  curl_multi_assign(multi_, connection->fd, nullptr);
  // As ngx_close_connection does, but for the socket, which is curl's: events of this turn that
  // were fetched for it are dropped.
  connection->read->closed = 1;
  connection->write->closed = 1;
  ngx_free_connection(connection);
  connection->fd = static_cast<ngx_socket_t>(-1);
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
  auto* connection = static_cast<ngx_connection_t*>(event->data);
  static_cast<CurlPool*>(connection->data)->act(connection->fd, event->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}

void CurlPool::on_alarm(void* self) noexcept { static_cast<CurlPool*>(self)->act(CURL_SOCKET_TIMEOUT, 0); }

void CurlPool::act(curl_socket_t socket, int mask) noexcept {
  int running = 0;
  curl_multi_socket_action(multi_, socket, mask, &running);
  // nginx takes what it finds in OpenSSL's queue for its own connections' errors.
  ERR_clear_error();
  collect();
}

void CurlPool::collect() noexcept {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;  // the message dies with the handle's membership
    const auto found =
        std::ranges::find(transfers_, message->easy_handle, [](const CurlTransfer* t) { return t->handle(); });
    if (found != transfers_.end()) settle(static_cast<std::size_t>(found - transfers_.begin()), code);
  }
  while (!unwatchable_.empty()) {
    CURL* easy = unwatchable_.back();
    unwatchable_.pop_back();
    const auto found = std::ranges::find(transfers_, easy, [](const CurlTransfer* t) { return t->handle(); });
    if (found != transfers_.end()) settle(static_cast<std::size_t>(found - transfers_.begin()), CURLE_COULDNT_CONNECT);
  }
}

void CurlPool::settle(std::size_t index, CURLcode code) noexcept {
  CurlTransfer& transfer = *transfers_[index];
  remove(transfer);
  transfer.finished(code);
}

}  // namespace agw::nginx
