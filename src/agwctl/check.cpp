#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <sys/stat.h>

#include "agw/base/digest.h"

#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "policy_error.h"

namespace agw::agwctl {

std::string read_text(const std::string& file) {
  constexpr std::int64_t most = 256LL << 20;
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) throw Failure(file + ": can't be opened: " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) throw Failure(file + ": is not a regular file");
  if (info.st_size > most) throw Failure(file + ": is larger than 256 MiB");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Failure(file + ": can't be opened: " + std::strerror(errno));
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::string place_text(const std::string& file, int line, const std::string& path, const std::string& message) {
  std::string said = file;
  if (line > 0) said += ":" + std::to_string(line);
  said += ": ";
  if (!path.empty() && path != file) said += path + " ";
  return said + message;
}

FileFailure::FileFailure(const std::string& file, int where, const std::string& of, const std::string& what)
    : Failure(place_text(file, where, of, what)), line(where), path(of), message(what) {}

Yaml read_json_or_yaml(const std::string& file) {
  std::string text = read_text(file);
  if (!is_yaml_name(file)) return {std::move(text), {}};
  auto yaml = read_yaml(text);
  if (!yaml) throw FileFailure(file, yaml.error().line, "", yaml.error().message);
  return *std::move(yaml);
}

std::shared_ptr<const grants::CompiledPolicy> read_policy_file(const std::string& file) {
  const Yaml text = read_json_or_yaml(file);
  auto policy = grants::parse_policy(text.json);
  if (policy) return std::make_shared<const grants::CompiledPolicy>(*std::move(policy), sha256_hex(text.json));
  const grants::PolicyError& error = policy.error();
  int line = error.line;
  if (line == 0) {
    // What is wrong in good JSON is found by its path: the reader of YAML knows where that stands.
    const auto places = is_yaml_name(file) ? Result<Yaml, YamlError>(text) : read_yaml(text.json);
    if (places) line = line_of(places->lines, error.path);
  }
  throw FileFailure(file, line, error.path, error.message);
}

namespace {

int check_for_scripts(const std::string& file, std::ostream& out) {
  try {
    const auto policy = read_policy_file(file);
    std::vector<std::string> tenants;
    for (const auto& [name, tenant] : policy->source().tenants)
      tenants.push_back(JsonObject()
                            .text("tenant", name)
                            .number("agents", tenant.agents.size())
                            .number("tiers", tenant.tiers.size())
                            .number("bundles", tenant.bundles.size())
                            .number("users", tenant.users.size())
                            .number("delegations", tenant.delegations.size())
                            .str());
    out << JsonObject().text("file", file).flag("good", true).raw("tenants", json_array(tenants)).str() << "\n";
    return exit_ok;
  } catch (const FileFailure& failure) {
    JsonObject wrong;
    wrong.text("file", file).flag("good", false);
    if (failure.line > 0) wrong.number("line", static_cast<std::uint64_t>(failure.line));
    out << wrong.text_if("path", failure.path).text("message", failure.message).str() << "\n";
    return exit_failed;
  }
}

}  // namespace

int check(const CheckOptions& options, std::ostream& out) {
  if (options.json) return check_for_scripts(options.file, out);
  const std::string& file = options.file;
  const auto policy = read_policy_file(file);
  out << file << ": good\n";
  for (const auto& [name, tenant] : policy->source().tenants) {
    out << "  tenant " << name << ": " << tenant.agents.size() << " agents, " << tenant.tiers.size() << " tiers, "
        << tenant.bundles.size() << " bundles, " << tenant.users.size() << " users, " << tenant.delegations.size()
        << " delegations\n";
  }
  return exit_ok;
}

}  // namespace agw::agwctl
