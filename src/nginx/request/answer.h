// Sends a response of the gateway's own.
#pragma once

#include <string_view>

#include "agw/gateway/answer.h"

#include "../nginx.h"

namespace agw::nginx {

/// Sends it; the result is for ngx_http_finalize_request, which a content handler's caller calls.
ngx_int_t write_answer(ngx_http_request_t* r, const gateway::Answer& answer);

/// For the phases before content: sends it and finalizes the request, so that no error_page can
/// take its place. Returns what the handler must return; the request may be gone then.
ngx_int_t send_answer(ngx_http_request_t* r, const gateway::Answer& answer);

/// Puts an answer's head where the backend's was: status, type, length and fields; nothing that
/// the backend sent stays. False without memory.
bool replace_head(ngx_http_request_t* r, const gateway::Answer& answer);

/// Adds a response field; false without memory.
bool add_field(ngx_http_request_t* r, std::string_view name, std::string_view value);

/// Calls visit(element) for each field of the response that has that name and hasn't been dropped.
template <class Visit>
void each_field(ngx_http_request_t* r, std::string_view name, Visit&& visit) {
  auto* const wanted = reinterpret_cast<u_char*>(const_cast<char*>(name.data()));
  for (ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr; part = part->next) {
    auto* fields = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i)
      if (fields[i].hash != 0 && fields[i].key.len == name.size() &&
          ngx_strncasecmp(fields[i].key.data, wanted, name.size()) == 0)
        visit(fields[i]);
  }
}

/// Takes all fields of that name from the response.
void drop_fields(ngx_http_request_t* r, std::string_view name) noexcept;

}  // namespace agw::nginx
