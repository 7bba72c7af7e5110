// libcurl's multi interface over nginx's events: one pool of connections.
#pragma once

#include <memory>
#include <vector>

#include <curl/curl.h>

#include "../nginx.h"
#include "alarm.h"
#include "loop.h"

namespace agw::nginx {

/// What a pool tells about one easy handle. It is called from the loop, never inside one of curl's
/// callbacks, after the handle has left the pool.
class CurlTransfer {
 public:
  virtual ~CurlTransfer() = default;
  [[nodiscard]] virtual CURL* handle() const noexcept = 0;
  virtual void finished(CURLcode code) noexcept = 0;
};

/// Drives transfers from nginx's loop. libcurl owns its sockets; nginx watches duplicates of them,
/// level triggered: curl closes the socket of a connection attempt that failed before it says that
/// it need not be watched, and a descriptor that is closed can't be taken back from epoll.
class CurlPool {
 public:
  explicit CurlPool(NginxLoop& loop);
  CurlPool(const CurlPool&) = delete;
  CurlPool& operator=(const CurlPool&) = delete;
  /// Transfers that are still there end without being told; idle connections are closed.
  ~CurlPool();

  /// False if curl doesn't take it. Until finished() or remove() the transfer must live.
  [[nodiscard]] bool add(CurlTransfer& transfer) noexcept;
  /// Aborts it; nothing if it isn't in the pool.
  void remove(CurlTransfer& transfer) noexcept;
  /// Told of every new socket, before curl uses it. It may have the number of one that was closed
  /// and is still watched; curl then sees no change and asks for nothing.
  void opened(CurlTransfer& transfer, curl_socket_t socket) noexcept;

 private:
  class Watch;

  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* watched) noexcept;
  static int on_timeout(CURLM* multi, long milliseconds, void* self) noexcept;
  static void on_event(ngx_event_t* event) noexcept;
  static void on_alarm(void* self) noexcept;
  static void on_nudge(void* self) noexcept;
  void act(curl_socket_t socket, int mask) noexcept;
  void collect() noexcept;
  [[nodiscard]] CurlTransfer* find(const CURL* easy) const noexcept;
  void settle(CurlTransfer& transfer, CURLcode code) noexcept;
  [[nodiscard]] bool watch(curl_socket_t socket, Watch* known, int what);
  void unwatchable(CURL* easy);

  NginxLoop& loop_;
  Alarm alarm_;
  Alarm nudge_;
  CURLM* multi_;
  std::vector<CurlTransfer*> transfers_;
  std::vector<std::unique_ptr<Watch>> watched_;
  // Transfers whose socket can't be watched, found inside a callback, ended after it.
  std::vector<CURL*> unwatchable_;
  // Transfers that gave up a socket and may have neither another one nor a timer to go on by.
  std::vector<CURL*> without_socket_;
};

}  // namespace agw::nginx
