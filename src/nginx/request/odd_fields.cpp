#include "odd_fields.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "view.h"

namespace agw::nginx {
namespace {

constexpr std::string_view prefix = "mcp-param-";

struct Span {
  const u_char* begin;
  const u_char* end;
};

u_char lower(u_char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<u_char>(c | 0x20) : c; }

bool is_plain(u_char c) noexcept { return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

/// RFC 9110 section 5.6.2.
bool is_token(u_char c) noexcept { return is_plain(c) || (c != 0 && std::strchr("!#$%&'*+.^_`|~", c) != nullptr); }

bool begins_parameter(Span line) noexcept {
  if (static_cast<std::size_t>(line.end - line.begin) <= prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), line.begin,
                    [](char want, u_char c) { return static_cast<u_char>(want) == lower(c); });
}

/// As the loosest server compares names.
bool folds_alike(Span name, std::string_view other) noexcept {
  const auto folded = [](u_char c) { return is_plain(c) ? lower(c) : static_cast<u_char>('-'); };
  return static_cast<std::size_t>(name.end - name.begin) == other.size() &&
         std::equal(name.begin, name.end, other.begin(),
                    [&](u_char a, char b) { return folded(a) == folded(static_cast<u_char>(b)); });
}

using Checked = std::vector<gateway::ParameterHeader>;

bool is_taken(const ngx_http_request_t* r, const Checked& checked, Span name) noexcept {
  for (const auto& header : checked)
    if (folds_alike(name, header.field)) return true;
  for (const ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
    const auto* fields = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i)
      if (folds_alike(name, view(fields[i].key))) return true;
  }
  return false;
}

bool add(ngx_http_request_t* r, Span name, Span value) noexcept {
  const auto size = static_cast<std::size_t>(name.end - name.begin);
  auto* const lowered = static_cast<u_char*>(ngx_pnalloc(r->pool, size));
  auto* const field = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_in.headers));
  if (lowered == nullptr || field == nullptr) return false;
  std::transform(name.begin, name.end, lowered, lower);
  *field = ngx_table_elt_t{};
  field->key = {size, const_cast<u_char*>(name.begin)};
  field->value = {static_cast<std::size_t>(value.end - value.begin), const_cast<u_char*>(value.begin)};
  field->lowcase_key = lowered;
  field->hash = ngx_hash_key(lowered, size);
  return true;
}

/// `line` is one line of the head without its line feed. nginx has looked at it, so that it has no control characters
/// beyond what ends it; what it kept has a plain name.
bool take_line(ngx_http_request_t* r, const Checked& checked, Span line) noexcept {
  if (!begins_parameter(line)) return true;
  const auto* const colon = static_cast<const u_char*>(std::memchr(line.begin, ':', line.end - line.begin));
  if (colon == nullptr) return true;
  const Span name{line.begin, colon};
  if (std::all_of(name.begin, name.end, is_plain) || !std::all_of(name.begin, name.end, is_token)) return true;
  Span value{colon + 1, line.end};
  if (value.end > value.begin && value.end[-1] == '\r') --value.end;
  while (value.begin < value.end && (*value.begin == ' ' || *value.begin == '\t')) ++value.begin;
  while (value.begin < value.end && (value.end[-1] == ' ' || value.end[-1] == '\t')) --value.end;
  const bool clean =
      std::all_of(value.begin, value.end, [](u_char c) { return c == '\t' || (c >= 0x20 && c != 0x7F); });
  if (!clean || is_taken(r, checked, name)) return true;
  return add(r, name, value);
}

/// Whole lines alone: what stands behind the last line feed was copied to the next buffer, or is nothing.
bool take_lines(ngx_http_request_t* r, const Checked& checked, Span head) noexcept {
  while (head.begin < head.end) {
    const auto* const feed = static_cast<const u_char*>(std::memchr(head.begin, '\n', head.end - head.begin));
    if (feed == nullptr) return true;
    if (!take_line(r, checked, {head.begin, feed})) return false;
    head.begin = feed + 1;
  }
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
  if (holds(end.buffer, begin) && begin <= end.at) return take_lines(r, checked, {begin, end.at});
  // A head that didn't fit goes on in further buffers: the newest is first in the list, and has the end.
  const ngx_buf_t* const first = r->connection->buffer;
  bool begun = holds(first, begin);
  if (begun && !take_lines(r, checked, {begin, first->last})) return false;
  for (const ngx_chain_t* link = r->http_connection->busy; link != nullptr; link = link->next) {
    const ngx_buf_t* const buffer = link->buf;
    const bool has_begin = !begun && holds(buffer, begin);
    const u_char* const from = has_begin ? begin : buffer->start;
    if (!take_lines(r, checked, {from, buffer == end.buffer ? end.at : buffer->last})) return false;
    if (has_begin) break;
  }
  return true;
}

}  // namespace agw::nginx
