// What an enforced location must not have beside it.
#include <algorithm>
#include <array>
#include <set>

#include "compile.h"

namespace agw::nginx {
namespace {

/// Directives under whose responses, bodies or methods the judged call isn't the forwarded one, or
/// one caller gets another's answer.
bool is_unsafe(const DirectiveUse& use) {
  if (use.name == "mirror") return use.arguments.empty() || use.arguments[0] != "off";
  for (const std::string_view ending : {std::string_view("_cache"), std::string_view("_store")})
    if (use.name.ends_with(ending) && use.name != "open_file_cache" && !use.name.ends_with("_no_cache"))
      return use.arguments.empty() || use.arguments[0] != "off";
  if (use.name.ends_with("_pass_request_body")) return !use.arguments.empty() && use.arguments[0] == "off";
  return use.name == "proxy_set_body" || use.name == "proxy_method";
}

struct Credential {
  std::string_view variable;
  bool prefix;
  std::string_view name;  ///< for agent_allow_unsafe
};
constexpr std::array credentials{
    Credential{"http_authorization", false, "http_authorization"}, Credential{"http_cookie", false, "http_cookie"},
    Credential{"cookie_", true, "http_cookie"}, Credential{"http_dpop", false, "http_dpop"}};

const Credential* credential_of(const std::string& variable) {
  for (const Credential& one : credentials)
    if (one.prefix ? variable.starts_with(one.variable) : variable == one.variable) return &one;
  return nullptr;
}

/// The credential that a text holds, directly or through variables made of it.
const Credential* credential_in(const MainConf& main, const std::string& text, std::set<std::string>& seen) {
  for (const std::string& variable : variables_in(text)) {
    if (const Credential* found = credential_of(variable)) return found;
    if (!seen.insert(variable).second) continue;
    for (const VariableSource& source : main.settings->variables) {
      if (source.variable != variable) continue;
      if (const Credential* found = credential_in(main, source.text, seen)) return found;
    }
  }
  return nullptr;
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words) out += std::string(word) + " ";
  return out;
}

/// What an access_log writes is its format's text.
std::string text_of(const MainConf& main, const DirectiveUse& use) {
  std::string text = joined(use.arguments);
  if (use.name != "access_log" || use.arguments.size() < 2) return text;
  const std::string format = "format " + std::string(use.arguments[1]);
  for (const VariableSource& source : main.settings->variables)
    if (source.variable == format) text += source.text;
  return text;
}

/// Directives that don't replace those of the block around: both are carried out.
bool adds_up(std::string_view name) { return name == "set" || name == "if" || name == "rewrite" || name == "return"; }

/// A directive that clears a field is the opposite of a leak.
bool sets_authorization(const DirectiveUse& use) {
  if (!use.name.ends_with("_set_header") || use.arguments.size() != 2) return false;
  std::string field(use.arguments[0]);
  std::ranges::transform(field, field.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return field == "authorization" && !use.arguments[1].empty();
}

}  // namespace

void check_unsafe(const MainConf& main, const LocSettings& location, Problems& problems) {
  const auto taken = [&](std::string_view name) {
    return location.allow_unsafe && location.allow_unsafe->contains(std::string(name));
  };
  const auto refuse = [&](const DirectiveUse& use, std::string_view what, std::string_view name) {
    if (taken(name)) return;
    problems.error(use.place,
                   std::string(what) +
                       " in an enforced location; remove it, or take responsibility with: agent_allow_unsafe " +
                       std::string(name));
  };
  std::set<std::string_view> overridden;
  for (const LocSettings* block = &location; block != nullptr;
       block = block->parent != nullptr ? block->parent->settings.get() : nullptr) {
    for (const DirectiveUse& use : block->uses.list) {
      const bool inherited = block != &location;
      if (inherited && (!use.in_locations || (overridden.contains(use.name) && !adds_up(use.name)))) continue;
      if (is_unsafe(use))
        refuse(use, quoted(use.name) + " would answer or forward something else than was judged", use.name);
      if (location.forwarding && location.forwarding->exchange && sets_authorization(use))
        refuse(use, quoted(use.name) + " would replace the backend's own token", "authorization");
      std::set<std::string> seen;
      if (const Credential* found = credential_in(main, text_of(main, use), seen))
        refuse(use,
               quoted(use.name) + " uses the caller's credentials ($" + std::string(found->variable) +
                   (found->prefix ? "…" : "") + ")",
               found->name);
    }
    overridden.insert(block->uses.names.begin(), block->uses.names.end());
  }
}

}  // namespace agw::nginx
