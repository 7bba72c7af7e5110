#include "line.h"

#include <algorithm>

namespace agw::nginx {
namespace {

void say(ngx_uint_t level, ngx_log_t* log, const Place& place, const std::string& message) noexcept {
  if (log->log_level < level) return;
  if (place.file.empty()) {
    ngx_log_error_core(level, log, 0, "%*s", message.size(), message.data());
  } else {
    ngx_log_error_core(level, log, 0, "%*s in %*s:%ui", message.size(), message.data(), place.file.size(),
                       place.file.data(), place.line);
  }
}

std::string time_text(Milliseconds time) {
  if (time.count() % 60000 == 0 && time.count() != 0) return std::to_string(time.count() / 60000) + "m";
  if (time.count() % 1000 == 0) return std::to_string(time.count() / 1000) + "s";
  return std::to_string(time.count()) + "ms";
}

std::string size_text(std::size_t size) {
  if (size % (1U << 20) == 0) return std::to_string(size >> 20) + "m";
  if (size % 1024 == 0) return std::to_string(size >> 10) + "k";
  return std::to_string(size);
}

ngx_str_t text_of(std::string_view word) noexcept {
  // nginx's parsers read and don't write.
  return {word.size(), reinterpret_cast<u_char*>(const_cast<char*>(word.data()))};
}

}  // namespace

std::vector<std::string_view> words_of(const ngx_conf_t* cf) {
  const std::span found(static_cast<const ngx_str_t*>(cf->args->elts), cf->args->nelts);
  std::vector<std::string_view> words;
  words.reserve(found.size());
  for (const ngx_str_t& word : found) words.push_back(view(word));
  return words;
}

Place place_of(const ngx_conf_t* cf) noexcept {
  if (cf->conf_file == nullptr || cf->conf_file->file.name.data == nullptr) return {};
  return {view(cf->conf_file->file.name), cf->conf_file->line};
}

void Problems::error(const Place& place, const std::string& message) noexcept {
  any_ = true;
  say(NGX_LOG_EMERG, log_, place, message);
}

void Problems::warning(const Place& place, const std::string& message) noexcept {
  say(NGX_LOG_WARN, log_, place, message);
}

std::string listed(Words names, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " " + std::string(last) + " " : ", ";
    out += names[i];
  }
  return out;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::optional<std::pair<std::string_view, std::string_view>> option(std::string_view word) noexcept {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return std::pair{word.substr(0, equals), word.substr(equals + 1)};
}

Result<Milliseconds, std::string> time_value(std::string_view name, std::string_view word, TimeLimits limits) {
  ngx_str_t text = text_of(word);
  const bool digits = !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
  // Read as milliseconds a bare number would be those; in nginx's other directives it is seconds.
  const ngx_int_t found = word.empty() ? NGX_ERROR : ngx_parse_time(&text, digits ? 1 : 0);
  const Milliseconds time(digits && found != NGX_ERROR ? std::min<ngx_int_t>(found, 1'000'000'000) * 1000 : found);
  if (found == NGX_ERROR || time < limits.least || time > limits.most) {
    return fail(quoted(name) + " is " + quoted(word) + "; write a time from " + time_text(limits.least) + " to " +
                time_text(limits.most) + ", as 30s or 500ms");
  }
  return time;
}

Result<std::size_t, std::string> size_value(std::string_view name, std::string_view word, std::size_t least,
                                            std::size_t most) {
  ngx_str_t text = text_of(word);
  const ssize_t found = word.empty() ? NGX_ERROR : ngx_parse_size(&text);
  if (found == NGX_ERROR || static_cast<std::size_t>(found) < least || static_cast<std::size_t>(found) > most) {
    return fail(quoted(name) + " is " + quoted(word) + "; write a size from " + size_text(least) + " to " +
                size_text(most));
  }
  return static_cast<std::size_t>(found);
}

std::string full_path(ngx_conf_t* cf, std::string_view path) {
  ngx_str_t name = text_of(path);
  if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) throw std::bad_alloc();
  return std::string(view(name));
}

bool is_scope(std::string_view word) noexcept {
  return !word.empty() &&
         std::ranges::all_of(word, [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\'; });
}

Checked add_scopes(std::string_view name, std::string_view text, std::vector<std::string>& scopes) {
  std::size_t at = 0;
  bool any = false;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view scope = text.substr(at, end - at);
    at = end + 1;
    if (scope.empty()) continue;
    if (!is_scope(scope)) {
      return fail(quoted(name) + " has the scope " + quoted(scope) +
                  "; a scope is printable ASCII without spaces, quotes and backslashes");
    }
    any = true;
    if (std::ranges::find(scopes, scope) == scopes.end()) scopes.emplace_back(scope);
  }
  if (!any) return fail(quoted(name) + " has an empty scope; write its name, as scope=tickets:read");
  return {};
}

bool is_name(std::string_view word) noexcept {
  return !word.empty() && word.front() != '.' && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

}  // namespace agw::nginx
