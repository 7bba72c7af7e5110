// libcurl's multi interface over nginx's events: one pool of connections.
#pragma once

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

/// Drives transfers from nginx's loop. libcurl owns its sockets; nginx only watches them, level
/// triggered.
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

 private:
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* watched) noexcept;
  static int on_timeout(CURLM* multi, long milliseconds, void* self) noexcept;
  static void on_event(ngx_event_t* event) noexcept;
  static void on_alarm(void* self) noexcept;
  void act(curl_socket_t socket, int mask) noexcept;
  void collect() noexcept;
  void settle(std::size_t index, CURLcode code) noexcept;
  [[nodiscard]] bool watch(ngx_connection_t& connection, int what) noexcept;
  void unwatch(ngx_connection_t* connection) noexcept;

  NginxLoop& loop_;
  Alarm alarm_;
  CURLM* multi_;
  std::vector<CurlTransfer*> transfers_;
  std::vector<ngx_connection_t*> watched_;
  // Transfers whose socket can't be watched, found inside a callback, ended after it.
  std::vector<CURL*> unwatchable_;
};

}  // namespace agw::nginx
