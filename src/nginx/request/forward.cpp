#include "forward.h"

#include <algorithm>
#include <array>

#include "agw/mcp/parameter_field.h"

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

bool is_session(const ngx_str_t& name) noexcept { return folds_to(name, "mcp-session-id", false); }

/// The field itself, and nothing that some backend would take for it.
bool is_exactly_session(const ngx_str_t& name) noexcept {
  return is_session(name) && name.data[3] == '-' && name.data[11] == '-';
}

/// What was judged stands under MCP's own names; some backend would take this one for such a name.
bool is_mcp_twin(const ngx_str_t& name) noexcept {
  if (name.len < 8) return false;
  const auto first = static_cast<u_char>(name.data[0] | 0x20);
  return (first == 'm' || first == 'l') && mcp::is_twin_of_any(view(name));
}

bool is_mirrored_name(const ngx_str_t& name) noexcept { return folds_to(name, "mcp-name", false); }

/// Points the field to bytes that belong to the call, which lives as long as the request: whoever kept a pointer to
/// the field finds the new value.
void set_value(ngx_table_elt_t& field, std::string_view value) noexcept {
  field.value = {value.size(), const_cast<u_char*>(reinterpret_cast<const u_char*>(value.data()))};
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

/// A field that only the gateway sets. What is added is not copied: names are literals, values
/// belong to the call, which lives as long as the request.
class OwnField {
 public:
  template <std::size_t Size>
  OwnField(const char (&name)[Size], const char (&lower)[Size]) noexcept
      : name_{Size - 1, writable(name)}, lower_(writable(lower)), hash_(ngx_hash_key(lower_, Size - 1)) {}

  [[nodiscard]] bool add(ngx_http_request_t* r, std::string_view value) const noexcept {
    if (value.empty()) return true;
    auto* field = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_in.headers));
    if (field == nullptr) return false;
    *field = ngx_table_elt_t{};
    field->hash = hash_;
    field->key = name_;
    field->value = {value.size(), const_cast<u_char*>(reinterpret_cast<const u_char*>(value.data()))};
    field->lowcase_key = lower_;
    return true;
  }

 private:
  /// nginx's strings know no const; nobody writes to a header field's bytes.
  static u_char* writable(const char* text) noexcept { return reinterpret_cast<u_char*>(const_cast<char*>(text)); }

  ngx_str_t name_;
  u_char* lower_;
  ngx_uint_t hash_;
};

bool add_identity(ngx_http_request_t* r, const gateway::CallerIdentity& caller) noexcept {
  static const OwnField user("X-Agent-User", "x-agent-user");
  static const OwnField client("X-Agent-Client", "x-agent-client");
  static const OwnField tenant("X-Agent-Tenant", "x-agent-tenant");
  static const OwnField operation("X-Agent-Operation", "x-agent-operation");
  return user.add(r, caller.user) && client.add(r, caller.client) && tenant.add(r, caller.tenant) &&
         operation.add(r, caller.operation);
}

/// A value that a `set` or a `map` read before may still lie in nginx's cache.
void forget_cached(ngx_http_request_t* r) noexcept {
  for (const ngx_uint_t index : worker()->credential_variables()) {
    r->variables[index].valid = 0;
    r->variables[index].not_found = 0;
  }
}

/// The whole body, in one buffer of the call's, goes on in the place of what was sent.
bool replace_body(ngx_http_request_t* r, std::string_view body) noexcept {
  if (r->request_body == nullptr) return false;
  auto* const buffer = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
  ngx_chain_t* const link = ngx_alloc_chain_link(r->pool);
  if (buffer == nullptr || link == nullptr) return false;
  buffer->start = buffer->pos = reinterpret_cast<u_char*>(const_cast<char*>(body.data()));
  buffer->end = buffer->last = buffer->pos + body.size();
  buffer->memory = 1;
  buffer->last_buf = 1;
  link->buf = buffer;
  link->next = nullptr;
  r->request_body->bufs = link;
  r->headers_in.content_length_n = static_cast<off_t>(body.size());
  if (r->headers_in.content_length == nullptr) return true;
  auto* const text = static_cast<u_char*>(ngx_pnalloc(r->pool, NGX_OFF_T_LEN));
  if (text == nullptr) return false;
  u_char* const end = ngx_sprintf(text, "%uz", body.size());
  r->headers_in.content_length->value = {static_cast<std::size_t>(end - text), text};
  return true;
}

}  // namespace

bool apply(ngx_http_request_t* r, const gateway::Forward& forward, std::string_view request_id) {
  if (!forward.body.empty() && !replace_body(r, forward.body)) return false;
  if (forward.strip_credentials) {
    ngx_table_elt_t* const own = forward.authorization.empty() ? nullptr : r->headers_in.authorization;
    const ngx_table_elt_t* session = nullptr;
    const bool plain = forward.recorded || forward.read;
    const auto unwanted = [own, plain, &session, &forward](ngx_table_elt_t& field) {
      if (plain && folds_to(field.key, "accept-encoding", false)) return true;
      if (forward.binds_session && is_session(field.key)) {
        if (&field == session) return false;
        if (session != nullptr || forward.session.empty() || !is_exactly_session(field.key)) return true;
        session = &field;
        set_value(field, forward.session);
        return false;
      }
      if (forward.binds_session && is_mcp_twin(field.key)) return true;
      if (!forward.mirrored_name.empty() && is_mirrored_name(field.key)) {
        set_value(field, forward.mirrored_name);
        return false;
      }
      return &field != own && (is_credential(field.key) || is_ours(field.key));
    };
    if (!remove_all(r, unwanted)) return false;
#if nginx_version >= 1023000
    r->headers_in.cookie = nullptr;
#else
    r->headers_in.cookies.nelts = 0;
#endif
    if (own != nullptr) {
      set_value(*own, forward.authorization);
    } else {
      r->headers_in.authorization = nullptr;
      if (!forward.authorization.empty()) return false;
    }
    forget_cached(r);
    static const OwnField id("X-Request-Id", "x-request-id");
    if (!id.add(r, request_id)) return false;
  } else if (!remove_all(r, [read = forward.read](const ngx_table_elt_t& field) {
               return folds_to(field.key, "x-agent-", true) || (read && folds_to(field.key, "accept-encoding", false));
             })) {
    // Observing changes nothing else, but nobody may speak in the gateway's name.
    return false;
  }
  return !forward.identity || add_identity(r, *forward.identity);
}

}  // namespace agw::nginx
