#include "observer.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <unordered_map>

#include <glob.h>

#include "settings.h"

namespace agw::nginx {
namespace {

using Setter = char* (*)(ngx_conf_t*, ngx_command_t*, void*);

/// nginx reads one configuration at a time, in one thread.
std::unordered_map<ngx_command_t*, Setter>& originals() {
  static std::unordered_map<ngx_command_t*, Setter> map;
  return map;
}

/// Known by name even where no variable stands in them.
bool is_watched(std::string_view name) {
  static constexpr std::string_view endings[]{"_cache",      "_store", "_method", "_set_body", "_pass_request_body",
                                              "_set_header", "_param"};
  if (name == "mirror" || name == "satisfy") return true;
  const bool upstream = name.starts_with("proxy_") || name.starts_with("fastcgi_") || name.starts_with("uwsgi_") ||
                        name.starts_with("scgi_") || name.starts_with("grpc_");
  return upstream && std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); });
}

std::string joined(Words words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

off_t position(const ngx_conf_t* cf) noexcept {
  const ngx_buf_t* buffer = cf->conf_file->buffer;
  return cf->conf_file->file.offset - (buffer->last - buffer->pos);
}

std::string read_range(ngx_fd_t fd, off_t from, off_t to) {
  std::string text(static_cast<std::size_t>(std::max<off_t>(to - from, 0)), '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::pread(fd, text.data() + size, text.size() - size, from + static_cast<off_t>(size));
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

/// Lines that are no comments, with the files that they include.
std::string with_includes(ngx_conf_t* cf, const std::string& text, int depth) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.starts_with('#')) continue;
    out.append(line).append("\n");
    constexpr std::string_view include = "include";
    if (depth == 0 || !line.starts_with(include) || line.size() == include.size()) continue;
    std::string_view name = line.substr(include.size());
    name = name.substr(0, name.find(';'));
    name.remove_prefix(std::min(name.find_first_not_of(" \t\"'"), name.size()));
    name = name.substr(0, name.find_last_not_of(" \t\"'") + 1);
    glob_t found{};
    if (glob(full_path(cf, std::string(name)).c_str(), 0, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) {
        std::ifstream file(found.gl_pathv[i]);
        const std::string inner((std::istreambuf_iterator<char>(file)), {});
        out += with_includes(cf, inner, depth - 1);
      }
    }
    globfree(&found);
  }
  return out;
}

std::string_view variable_name(std::string_view word) noexcept { return word.starts_with('$') ? word.substr(1) : word; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return out;
}

/// A directive that makes a variable of others, with the text it is made of; `block` is the body of a map.
void note_variable(MainSettings& settings, Words words, const Place& place, const std::string& block) {
  const std::string_view name = words[0];
  auto add = [&](std::string_view variable, std::string text) {
    settings.variables.push_back({lower(variable_name(variable)), std::move(text), place});
  };
  if (name == "map" && words.size() == 3) {
    add(words[2], std::string(words[1]) + "\n" + block);
  } else if ((name == "geo" || name == "split_clients") && words.size() == 3) {
    add(words[2], std::string(words[1]));
  } else if (name == "log_format" && words.size() > 2) {
    settings.variables.push_back({"format " + std::string(words[1]), joined(words.subspan(2)), place});
  } else if (words.size() > 2 && words[1].starts_with('$')) {  // set, auth_request_set, js_set, perl_set …
    add(words[1], joined(words.subspan(2)));
  }
  // What a regular expression captures may be a part of anything in the same line or block.
  const std::string text = joined(words.subspan(1)) + "\n" + block;
  for (const std::string& capture : captures_in(text)) add(capture, text);
}

void record(ngx_conf_t* cf, const ngx_command_t* cmd, Words words, const Place& place, const std::string& block) {
  const auto* context = static_cast<const ngx_http_conf_ctx_t*>(cf->ctx);
  if (context == nullptr || context->loc_conf == nullptr || context->main_conf == nullptr) return;
  auto* location = static_cast<LocConf*>(context->loc_conf[ngx_http_agent_gateway_module.ctx_index]);
  auto* main = static_cast<MainConf*>(context->main_conf[ngx_http_agent_gateway_module.ctx_index]);
  if (location == nullptr || main == nullptr) return;
  DirectiveUses& uses = location->settings->uses;
  uses.names.insert(view(cmd->name));
  const bool has_variable =
      std::ranges::any_of(words, [](std::string_view word) { return word.contains('$'); }) || block.contains('$');
  // access_log names a format, and a format has variables.
  if (!has_variable && !is_watched(words[0]) && words[0] != "access_log") return;
  note_variable(*main->settings, words, place, block);
  uses.list.push_back({view(cmd->name), {words.begin() + 1, words.end()}, place, (cmd->type & NGX_HTTP_LOC_CONF) != 0});
}

char* observe(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
  const auto found = originals().find(cmd);
  if (found == originals().end()) return const_cast<char*>("is not known to the gateway's observer");
  const Setter original = found->second;
  try {
    const std::vector<std::string_view> words = words_of(cf);
    const Place place = place_of(cf);
        // The body of a map goes to a reader of its own: its text is taken from the file.
    const bool reads_body = words[0] == "map" && cf->conf_file->file.fd != NGX_INVALID_FILE;
    if (!reads_body) {
      record(cf, cmd, words, place, {});
      return original(cf, cmd, conf);
    }
    const off_t from = position(cf);
    char* result = original(cf, cmd, conf);
    if (result != NGX_CONF_OK) return result;
    const std::string body = read_range(cf->conf_file->file.fd, from, position(cf));
    record(cf, cmd, words, place, with_includes(cf, body, 3));
    return result;
  } catch (...) {
    return const_cast<char*>("could not be read by the gateway: out of memory");
  }
}

void stop_observing_of_pool(void* /*data*/) noexcept { stop_observing(); }

}  // namespace

bool observe_directives(ngx_conf_t* cf) noexcept try {
  stop_observing();
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (cleanup == nullptr) return false;
  // A configuration that fails is dropped with its pool: nobody calls the postconfiguration then.
  cleanup->handler = stop_observing_of_pool;
  for (ngx_uint_t i = 0; cf->cycle->modules[i] != nullptr; ++i) {
    const ngx_module_t* module = cf->cycle->modules[i];
    if (module->type != NGX_HTTP_MODULE || module->commands == nullptr) continue;
    if (module == &ngx_http_agent_gateway_module) continue;
    for (ngx_command_t* command = module->commands; command->name.len != 0; ++command) {
      if (command->set == nullptr) continue;
      originals().emplace(command, command->set);
      command->set = observe;
    }
  }
  return true;
} catch (...) {
  stop_observing();
  return false;
}

void stop_observing() noexcept {
  for (const auto& [command, setter] : originals()) command->set = setter;
  originals().clear();
}

std::vector<std::string> variables_in(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    std::size_t from = at + 1;
    if (from < text.size() && text[from] == '{') ++from;
    std::size_t end = from;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) ++end;
    if (end > from) found.push_back(lower(text.substr(from, end - from)));
  }
  return found;
}

std::vector<std::string> captures_in(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = text.find("(?"); at != std::string_view::npos; at = text.find("(?", at + 1)) {
    std::size_t from = at + 2;
    if (from < text.size() && text[from] == 'P') ++from;
    if (from >= text.size() || (text[from] != '<' && text[from] != '\'')) continue;
    const char close = text[from] == '<' ? '>' : '\'';
    const std::size_t end = text.find(close, ++from);
    const std::string_view name = text.substr(from, end == std::string_view::npos ? 0 : end - from);
    if (!name.empty() && (std::isalpha(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_')) {
      found.push_back(lower(name));
    }
  }
  return found;
}

}  // namespace agw::nginx
