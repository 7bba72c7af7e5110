#include "arguments.h"

#include <charconv>
#include <map>

#include "agw/base/encoding.h"
#include "agw/model/pattern.h"

#include "failure.h"

namespace agw::agwctl {

WallTime now() { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }

void expect_id(const std::string& option, const std::string& id) {
  if (is_principal_id(id)) return;
  throw Failure(
      option + ": \"" + id +
          "\" must be ISSUER|NAME, the name percent-encoded outside [A-Za-z0-9._@-]; write for example company|mira",
      exit_usage);
}

WallTime time_of(const std::string& option, const std::string& text) {
  const auto time = parse_rfc3339(text);
  if (!time) throw Failure(option + " must be a time as 2026-12-31T00:00:00Z", exit_usage);
  return *time;
}

std::optional<WallTime> time_of(const std::string& option, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return time_of(option, *text);
}

Milliseconds duration_of(const std::string& option, const std::string& text) {
  static const std::map<char, Seconds> units{
      {'s', Seconds(1)}, {'m', Seconds(60)}, {'h', Seconds(3600)}, {'d', Seconds(86400)}, {'w', Seconds(604800)}};
  constexpr std::int64_t most = 10'000'000;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end + 1 == text.data() + text.size() && units.contains(*end);
  if (!whole || number <= 0 || number > most)
    throw Failure(option + ": \"" + text + "\" must be a time span; write for example 30m, 1h or 2d", exit_usage);
  return number * units.at(*end);
}

void expect_operation(const std::string& option, const std::string& name) {
  if (!is_operation_name(name))
    throw Failure(option + ": \"" + name + "\" must be NAMESPACE/OPERATION; write for example tickets/ticket.read",
                  exit_usage);
}

void expect_tenant(const std::string& name) {
  if (name.empty() || !is_encoded_part(name))
    throw Failure("--tenant: \"" + name + "\" must have letters, digits and . _ @ - only", exit_usage);
}

void expect_group(const std::string& group) {
  expect_id("--group", group);
  if (group.starts_with("store|"))
    throw Failure("--group: groups of the store come with the user's record, a token can't claim them", exit_usage);
}

Holder holder_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  Holder out{text.substr(0, colon), colon == std::string::npos ? "" : text.substr(colon + 1)};
  if (out.kind == "tier" || out.kind == "bundle") {
    if (!out.name.empty() && is_encoded_part(out.name)) return out;
  } else if (out.kind == "agent" || out.has_entitlements()) {
    if (is_principal_id(out.name)) return out;
  }
  throw Failure(
      "HOLDER: \"" + text +
          "\" must be agent:ISSUER|NAME, tier:NAME, bundle:NAME, user:ISSUER|NAME or group:ISSUER|NAME; write "
          "for example agent:company|docs-assistant",
      exit_usage);
}

}  // namespace agw::agwctl
