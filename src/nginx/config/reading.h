// One directive being read, and what its readers share.
#pragma once

#include <string>

#include "agw/base/secret.h"
#include "agw/outbound/exchanger.h"

#include "line.h"
#include "settings.h"

namespace agw::nginx {

struct Reading {
  ngx_conf_t* cf;
  MainConf& main;
  LocConf& location;
  Words words;  ///< the directive's name first
  Place place;

  [[nodiscard]] std::string_view name() const noexcept { return words[0]; }
  [[nodiscard]] Words arguments() const noexcept { return words.subspan(1); }
};

/// `x is written twice; it stands already in FILE:LINE`.
[[nodiscard]] std::string twice(std::string_view name, const Place& before);

/// `audience=NAME scope=SCOPE… [scope_independent]`.
[[nodiscard]] Result<outbound::ExchangeSpec, std::string> read_exchange(std::string_view name, Words words);

/// The words after the directive's name, as parse_limit takes them.
[[nodiscard]] Result<Limit, std::string> read_limit(std::string_view name, Words words);

/// `text`: without the quotes that nginx takes. Its variables get their places among nginx's.
[[nodiscard]] Result<ConditionPtr, std::string> read_condition(ngx_conf_t* cf, std::string_view name,
                                                               std::string_view text);

/// Whether an operation of REST can have the argument that `name` (resource, require) names.
[[nodiscard]] Checked check_argument(std::string_view name, const ArgumentPath& path, const rest::Template& route,
                                     std::string_view route_text);

/// Whether the file can be read and how large it is; the message says why not.
struct FileFacts {
  std::size_t size = 0;
  bool world_readable = false;
};
[[nodiscard]] Result<FileFacts, std::string> file_facts(std::string_view name, const std::string& path);

/// Whether it can serve as a key: at least 32 bytes, not readable by everybody.
[[nodiscard]] Checked key_file(std::string_view name, const std::string& path);

/// What it holds; workers may not be allowed to read it.
[[nodiscard]] Result<Secret, std::string> file_content(std::string_view name, const std::string& path);

/// Whether the folder around the path exists.
[[nodiscard]] bool stands_in_folder(const std::string& path);

// Readers, one for each group of directives.
[[nodiscard]] Checked read_zone(const Reading& in);
[[nodiscard]] Checked read_store(const Reading& in);
[[nodiscard]] Checked read_store_admin(const Reading& in);
[[nodiscard]] Checked read_freshness(const Reading& in);
[[nodiscard]] Checked read_copy_limit(const Reading& in);
[[nodiscard]] Checked read_audit(const Reading& in);
[[nodiscard]] Checked read_audit_setting(const Reading& in);
[[nodiscard]] Checked read_limit_on_error(const Reading& in);
[[nodiscard]] Checked read_revocation_grace(const Reading& in);
[[nodiscard]] Checked read_break_glass_file(const Reading& in);
[[nodiscard]] Checked read_key(const Reading& in);
[[nodiscard]] Checked read_state(const Reading& in);
[[nodiscard]] Checked read_issuer(const Reading& in);
[[nodiscard]] Checked read_gateway(const Reading& in);
[[nodiscard]] Checked read_protected_resource(const Reading& in);
[[nodiscard]] Checked read_location_setting(const Reading& in);
[[nodiscard]] Checked read_tool(const Reading& in);
[[nodiscard]] Checked read_prompt(const Reading& in);
[[nodiscard]] Checked read_mcp_resource(const Reading& in);
[[nodiscard]] Checked read_operation(const Reading& in);

/// Reads a block's lines, `include` among them: `line(words, place)` says what is wrong with one.
/// The result's message is empty if nginx or the reader has logged the error already.
class BlockReader {
 public:
  virtual ~BlockReader() = default;
  virtual Checked line(ngx_conf_t* cf, Words words, const Place& place) = 0;
  [[nodiscard]] Checked read(ngx_conf_t* cf);

 private:
  static char* on_line(ngx_conf_t* cf, ngx_command_t* cmd, void* self) noexcept;
};

}  // namespace agw::nginx
