#include "answer.h"

#include "view.h"

namespace agw::nginx {
namespace {

void drop_all_fields(ngx_http_request_t* r) noexcept {
  for (ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr; part = part->next) {
    auto* fields = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) fields[i].hash = 0;
  }
}

bool set_head(ngx_http_request_t* r, const gateway::Answer& answer) {
  r->headers_out.status = static_cast<ngx_uint_t>(answer.status);
  r->headers_out.status_line.len = 0;
  // Set by an error_page that led here: it would take the place of this status.
  r->err_status = 0;
  ngx_http_clear_accept_ranges(r);
  ngx_http_clear_last_modified(r);
  ngx_http_clear_etag(r);
  ngx_http_clear_content_length(r);
  r->headers_out.content_length_n = static_cast<off_t>(answer.body.size());
  ngx_str_null(&r->headers_out.charset);
  if (answer.content_type.empty()) {
    r->headers_out.content_type.len = 0;
    r->headers_out.content_type_len = 0;
  } else {
    r->headers_out.content_type = pool_copy(r->pool, answer.content_type);
    if (r->headers_out.content_type.data == nullptr) return false;
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = nullptr;
  }
  for (const auto& [name, value] : answer.headers)
    if (!add_field(r, name, value)) return false;
  return true;
}

}  // namespace

bool add_field(ngx_http_request_t* r, std::string_view name, std::string_view value) {
  auto* field = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (field == nullptr) return false;
  *field = ngx_table_elt_t{};
  field->key = pool_copy(r->pool, name);
  field->value = pool_copy(r->pool, value);
  if (field->key.data == nullptr || field->value.data == nullptr) return false;
  field->hash = 1;
  return true;
}

void drop_fields(ngx_http_request_t* r, std::string_view name) noexcept {
  each_field(r, name, [](ngx_table_elt_t& field) { field.hash = 0; });
}

bool replace_head(ngx_http_request_t* r, const gateway::Answer& answer) {
  drop_all_fields(r);
  r->headers_out.www_authenticate = nullptr;
  r->headers_out.location = nullptr;
  r->headers_out.content_encoding = nullptr;
  return set_head(r, answer);
}

ngx_int_t write_answer(ngx_http_request_t* r, const gateway::Answer& answer) {
  if (ngx_http_discard_request_body(r) != NGX_OK) r->keepalive = 0;
  if (!set_head(r, answer)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_chain_t out{};
  ngx_buf_t* buffer = nullptr;
  if (answer.body.empty()) {
    r->header_only = 1;
  } else {
    buffer = ngx_create_temp_buf(r->pool, answer.body.size());
    if (buffer == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    buffer->last = ngx_cpymem(buffer->last, answer.body.data(), answer.body.size());
    buffer->last_buf = 1;
    buffer->last_in_chain = 1;
    out.buf = buffer;
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
  return ngx_http_output_filter(r, &out);
}

ngx_int_t send_answer(ngx_http_request_t* r, const gateway::Answer& answer) {
  ngx_http_finalize_request(r, write_answer(r, answer));
  return NGX_DONE;
}

}  // namespace agw::nginx
