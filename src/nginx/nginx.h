// nginx's C headers, for C++: the one place that includes them.
#pragma once
#pragma GCC system_header

// Headers of the standard library that nginx's headers pull in: seen first outside extern "C", since in
// C++ they declare templates.
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <ngx_http.h>
}

// nginx writes it as a bare if/else; as a statement of its own it can't swallow a neighbour's else.
namespace agw::nginx {
inline void post_event(ngx_event_t* event, ngx_queue_t* queue) noexcept { ngx_post_event(event, queue); }
inline void delete_posted_event(ngx_event_t* event) noexcept {
  if (event->posted) {
    ngx_delete_posted_event(event);
  }
}

/// A connection of nginx's for a descriptor that is no client's: one handler for both directions,
/// nothing watched yet. Null if worker_connections are used up.
inline ngx_connection_t* adopt_descriptor(ngx_socket_t fd, void* owner, ngx_event_handler_pt handler,
                                          ngx_log_t* log) noexcept {
  ngx_connection_t* connection = ngx_get_connection(fd, log);
  if (connection == nullptr) return nullptr;
  connection->data = owner;
  for (ngx_event_t* event : {connection->read, connection->write}) {
    event->handler = handler;
    event->log = log;
  }
  return connection;
}
}  // namespace agw::nginx
