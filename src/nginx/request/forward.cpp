#include "forward.h"

#include <algorithm>
#include <array>

#include "../worker.h"
#include "view.h"

namespace agw::nginx {
namespace {

/// Compares as backends do that read `X_Agent_User` and `X-Agent-User` as one (CGI's rule).
bool folds_to(const ngx_str_t& name, std::string_view lower, bool prefix) noexcept {
  if (prefix ? name.len < lower.size() : name.len != lower.size()) return false;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    u_char c = name.data[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<u_char>(c | 0x20);
    if (c == '_') c = '-';
    if (c != static_cast<u_char>(lower[i])) return false;
  }
  return true;
}

bool is_credential(const ngx_str_t& name) noexcept {
  constexpr std::array<std::string_view, 4> credentials{"authorization", "proxy-authorization", "cookie", "dpop"};
  return std::any_of(credentials.begin(), credentials.end(),
                     [&](std::string_view lower) { return folds_to(name, lower, false); });
}

/// Only the gateway speaks under these names.
bool is_ours(const ngx_str_t& name) noexcept {
  return folds_to(name, "x-agent-", true) || folds_to(name, "x-request-id", false);
}

/// Removes the element without moving another: pointers of nginx and of other modules into the
/// list stay good. A part is shortened at an end or split; an empty one (other than the first)
/// would make nginx read past it, so it is unlinked.
bool remove(ngx_pool_t* pool, ngx_list_t* list, ngx_list_part_t* previous, ngx_list_part_t* part,
            ngx_uint_t index) noexcept {
  auto* fields = static_cast<ngx_table_elt_t*>(part->elts);
  if (part->nelts == 1 && previous != nullptr) {
    previous->next = part->next;
    if (list->last == part) {
      list->last = previous;
      // The part before is full or of unknown room: the next push makes a part of its own.
      list->nalloc = previous->nelts;
    }
    return true;
  }
  if (index + 1 == part->nelts) {
    --part->nelts;
    return true;
  }
  if (index == 0) {
    part->elts = fields + 1;
    --part->nelts;
    if (list->last == part) --list->nalloc;
    return true;
  }
  auto* rest = static_cast<ngx_list_part_t*>(ngx_palloc(pool, sizeof(ngx_list_part_t)));
  if (rest == nullptr) return false;
  rest->elts = fields + index + 1;
  rest->nelts = part->nelts - index - 1;
  rest->next = part->next;
  part->nelts = index;
  part->next = rest;
  if (list->last == part) {
    list->last = rest;
    list->nalloc = rest->nelts;
  }
  return true;
}

template <class Unwanted>
bool remove_all(ngx_http_request_t* r, Unwanted&& unwanted) noexcept {
  ngx_list_t* list = &r->headers_in.headers;
  ngx_list_part_t* previous = nullptr;
  for (ngx_list_part_t* part = &list->part; part != nullptr;) {
    auto* fields = static_cast<ngx_table_elt_t*>(part->elts);
    ngx_uint_t found = 0;
    while (found < part->nelts && !unwanted(fields[found])) ++found;
    if (found == part->nelts) {
      previous = part;
      part = part->next;
      continue;
    }
    const bool whole = part->nelts == 1 && previous != nullptr;
    ngx_list_part_t* const next = part->next;
    if (!remove(r->pool, list, previous, part, found)) return false;
    if (whole) part = next;
  }
  return true;
}

bool add(ngx_http_request_t* r, std::string_view name, std::string_view lower, std::string_view value) noexcept {
  auto* field = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_in.headers));
  if (field == nullptr) return false;
  *field = ngx_table_elt_t{};
  field->key = pool_copy(r->pool, name);
  field->value = pool_copy(r->pool, value);
  const ngx_str_t lowered = pool_copy(r->pool, lower);
  if (field->key.data == nullptr || field->value.data == nullptr || lowered.data == nullptr) return false;
  field->lowcase_key = lowered.data;
  field->hash = ngx_hash_key(lowered.data, lowered.len);
  return true;
}

bool add_own(ngx_http_request_t* r, std::string_view name, std::string_view value) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return add(r, name, lower, value);
}

/// A value that a `set` or a `map` read before may still lie in nginx's cache.
void forget_cached(ngx_http_request_t* r) noexcept {
  for (const ngx_uint_t index : worker()->credential_variables()) {
    r->variables[index].valid = 0;
    r->variables[index].not_found = 0;
  }
}

}  // namespace

bool apply(ngx_http_request_t* r, const gateway::Forward& forward, std::string_view request_id) {
  if (forward.strip_credentials) {
    ngx_table_elt_t* const own = forward.authorization.empty() ? nullptr : r->headers_in.authorization;
    const auto unwanted = [own](const ngx_table_elt_t& field) {
      return &field != own && (is_credential(field.key) || is_ours(field.key));
    };
    if (!remove_all(r, unwanted)) return false;
#if nginx_version >= 1023000
    r->headers_in.cookie = nullptr;
#else
    r->headers_in.cookies.nelts = 0;
#endif
    if (own != nullptr) {
      // In place: whoever kept a pointer to the field finds the new value. The bytes belong to the
      // call, which lives as long as the request.
      own->value.data = reinterpret_cast<u_char*>(const_cast<char*>(forward.authorization.data()));
      own->value.len = forward.authorization.size();
    } else {
      r->headers_in.authorization = nullptr;
      if (!forward.authorization.empty()) return false;
    }
    forget_cached(r);
    if (!add(r, "X-Request-Id", "x-request-id", request_id)) return false;
  } else if (!remove_all(r, [](const ngx_table_elt_t& field) { return folds_to(field.key, "x-agent-", true); })) {
    // Observing changes nothing else, but nobody may speak in the gateway's name.
    return false;
  }
  for (const auto& [name, value] : forward.identity_headers)
    if (!value.empty() && !add_own(r, name, value)) return false;
  return true;
}

}  // namespace agw::nginx
