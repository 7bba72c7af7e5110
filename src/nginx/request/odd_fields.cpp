#include "odd_fields.h"

#include <string_view>

#include "agw/mcp/parameter_field.h"

#include "view.h"

namespace agw::nginx {
namespace {

using Checked = std::vector<gateway::ParameterHeader>;

bool is_taken(const ngx_http_request_t* r, const Checked& checked, std::string_view name) noexcept {
  for (const auto& header : checked)
    if (mcp::fold_alike(name, header.field)) return true;
  for (const ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
    const auto* fields = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i)
      if (mcp::fold_alike(name, view(fields[i].key))) return true;
  }
  return false;
}

/// The bytes stay where they are, as those of the fields that nginx has kept.
ngx_str_t in_place(std::string_view text) noexcept {
  return {text.size(), const_cast<u_char*>(reinterpret_cast<const u_char*>(text.data()))};
}

bool add(ngx_http_request_t* r, const mcp::ParameterField& found) noexcept {
  auto* const lowered = static_cast<u_char*>(ngx_pnalloc(r->pool, found.name.size()));
  auto* const field = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_in.headers));
  if (lowered == nullptr || field == nullptr) return false;
  *field = ngx_table_elt_t{};
  field->key = in_place(found.name);
  field->value = in_place(found.value);
  field->lowcase_key = lowered;
  field->hash = ngx_hash_strlow(lowered, field->key.data, field->key.len);
  return true;
}

/// Whole lines alone: what stands behind the last line feed was copied to the next buffer, or is nothing.
bool take_lines(ngx_http_request_t* r, const Checked& checked, const u_char* begin, const u_char* end) noexcept {
  std::string_view head(reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin));
  while (const auto found = mcp::next_dropped_parameter(head))
    if (!is_taken(r, checked, found->name) && !add(r, *found)) return false;
  return true;
}

bool holds(const ngx_buf_t* buffer, const u_char* at) noexcept {
  return buffer != nullptr && at >= buffer->start && at <= buffer->end;
}

}  // namespace

HeadEnd head_end_of(const ngx_http_request_t* r) noexcept {
  if (r->http_version > NGX_HTTP_VERSION_11 || r->http_version < NGX_HTTP_VERSION_10 || r->header_in == nullptr ||
      r->request_body != nullptr || r->request_line.data == nullptr)
    return {};
  return {r->header_in, r->header_in->pos};
}

bool recover_parameter_fields(ngx_http_request_t* r, const HeadEnd& end, const Checked& checked) noexcept {
  if (end.buffer == nullptr) return true;
  const u_char* const begin = r->request_line.data + r->request_line.len;
  if (holds(end.buffer, begin) && begin <= end.at) return take_lines(r, checked, begin, end.at);
  // A head that didn't fit goes on in further buffers: the newest is first in the list, and has the end.
  const ngx_buf_t* const first = r->connection->buffer;
  bool begun = holds(first, begin);
  if (begun && !take_lines(r, checked, begin, first->last)) return false;
  for (const ngx_chain_t* link = r->http_connection->busy; link != nullptr; link = link->next) {
    const ngx_buf_t* const buffer = link->buf;
    const bool has_begin = !begun && holds(buffer, begin);
    const u_char* const from = has_begin ? begin : buffer->start;
    if (!take_lines(r, checked, from, buffer == end.buffer ? end.at : buffer->last)) return false;
    if (has_begin) break;
  }
  return true;
}

}  // namespace agw::nginx
