// nginx's C headers, for C++: the one place that includes them.
#pragma once
#pragma GCC system_header

// Headers of the standard library that nginx's headers pull in: seen first outside extern "C", since in
// C++ they declare templates.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

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
}  // namespace agw::nginx
