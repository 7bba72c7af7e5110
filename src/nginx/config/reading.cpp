#include "reading.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace agw::nginx {

std::string twice(std::string_view name, const Place& before) {
  return quoted(name) + " is written twice; it stands already in " + std::string(before.file) + ":" +
         std::to_string(before.line);
}

Result<outbound::ExchangeSpec, std::string> read_exchange(std::string_view name, Words words) {
  outbound::ExchangeSpec spec;
  for (const std::string_view word : words) {
    const auto found = option(word);
    if (word == "scope_independent") {
      spec.scope_independent = true;
    } else if (found && found->first == "audience") {
      if (!spec.audience.empty()) return fail(quoted(name) + " has two audiences; a backend's token is for one");
      spec.audience = found->second;
    } else if (found && found->first == "scope") {
      if (auto added = add_scopes(name, found->second, spec.scopes); !added) return fail(added.error());
    } else {
      return fail(quoted(name) + " has the unknown word " + quoted(word) +
                  "; write audience=NAME scope=SCOPE [scope_independent]");
    }
  }
  if (spec.audience.empty()) return fail(quoted(name) + " needs an audience; write audience=NAME of the backend");
  if (spec.scopes.empty()) return fail(quoted(name) + " needs scopes; write scope=SCOPE of the backend's token");
  std::sort(spec.scopes.begin(), spec.scopes.end());
  spec.key = outbound::exchange_key(spec.audience, spec.scopes);
  return spec;
}

Result<ConditionPtr, std::string> read_condition(ngx_conf_t* cf, std::string_view name, std::string_view text) {
  Condition::Compiling compiling;
  compiling.variable = [cf](const std::string& variable) -> Result<std::intptr_t, std::string> {
    ngx_str_t known = pool_copy(cf->pool, variable);
    const ngx_int_t index = known.data != nullptr ? ngx_http_get_variable_index(cf, &known) : NGX_ERROR;
    if (index == NGX_ERROR) return fail(std::string("can't be asked for: nginx has no room for it"));
    return std::intptr_t{index};
  };
  auto condition = Condition::compile(text, compiling);
  if (!condition) return fail(quoted(name) + " " + condition.error());
  return *std::move(condition);
}

Result<FileFacts, std::string> file_facts(std::string_view name, const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || ::access(path.c_str(), R_OK) != 0)
    return fail(quoted(name) + ": " + path + " can't be read: " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return fail(quoted(name) + ": " + path + " is not a regular file");
  return FileFacts{static_cast<std::size_t>(info.st_size), (info.st_mode & 07U) != 0};
}

Checked key_file(std::string_view name, const std::string& path) {
  constexpr std::size_t least_bytes = 32;
  const auto facts = file_facts(name, path);
  if (!facts) return fail(facts.error());
  if (facts->size < least_bytes)
    return fail(quoted(name) + ": " + path +
                " is shorter than 32 bytes; write for example the output of: openssl rand 32");
  if (facts->world_readable)
    return fail(quoted(name) + ": " + path + " can be read by everybody; run: chmod 600 " + path);
  return {};
}

Result<Secret, std::string> file_content(std::string_view name, const std::string& path) {
  constexpr std::size_t most_bytes = 64U << 10;
  std::string bytes(most_bytes, '\0');
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t got = fd < 0 ? -1 : ::read(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (got < 0) return fail(quoted(name) + ": " + path + " can't be read: " + std::strerror(error));
  Secret out(std::string(bytes, 0, static_cast<std::size_t>(got)));
  wipe(bytes.data(), bytes.size());
  return out;
}

bool stands_in_folder(const std::string& path) {
  std::filesystem::path entry(path);
  if (!entry.has_filename()) entry = entry.parent_path();
  std::error_code ignored;
  return std::filesystem::is_directory(entry.parent_path(), ignored);
}

Checked BlockReader::read(ngx_conf_t* cf) {
  const ngx_conf_t saved = *cf;
  cf->handler = on_line;
  cf->handler_conf = this;
  const char* result = ngx_conf_parse(cf, nullptr);
  *cf = saved;
  if (result != NGX_CONF_OK) return fail(std::string());
  return {};
}

char* BlockReader::on_line(ngx_conf_t* cf, ngx_command_t* cmd, void* self) noexcept try {
  const std::vector<std::string_view> words = words_of(cf);
  if (words[0] == "include" && words.size() == 2) return ngx_conf_include(cf, cmd, self);
  const Checked checked = static_cast<BlockReader*>(self)->line(cf, words, place_of(cf));
  if (checked) return NGX_CONF_OK;
  if (!checked.error().empty()) ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", checked.error().c_str());
  return static_cast<char*>(NGX_CONF_ERROR);
} catch (...) {
  return const_cast<char*>("could not be read: out of memory");
}

Result<Limit, std::string> read_limit(std::string_view name, Words words) {
  auto limit = parse_limit(words);
  if (!limit) return fail(quoted(name) + " " + limit.error());
  return limit;
}

}  // namespace agw::nginx
