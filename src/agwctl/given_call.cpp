#include "given_call.h"

#include <algorithm>

#include "agw/model/network.h"

#include "failure.h"

namespace agw::agwctl {
namespace {

using Text = Answered<std::string_view>;

Text said(std::string_view text) { return text.empty() ? Text() : Text::known(text); }

std::pair<std::string, std::string> pair_of(const std::string& option, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Failure(option + ": \"" + text + "\" must be NAME=VALUE", exit_usage);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

void give_argument(GivenCall& call, const std::string& option, const std::string& text) {
  const auto [name, value] = pair_of(option, text);
  ArgumentPath path;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    path.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  if (std::any_of(path.begin(), path.end(), [](const std::string& part) { return part.empty(); }))
    throw Failure(option + ": \"" + name + "\" must be a name as id or filter/id", exit_usage);
  if (!call.arguments) call.arguments.emplace();
  // A command line has no types: it is whichever is asked for.
  (*call.arguments)[path] = policy::ArgumentValue::untyped(value);
}

void give_variable(GivenCall& call, const std::string& option, const std::string& text) {
  auto [name, value] = pair_of(option, text);
  if (name.starts_with('$')) name.erase(0, 1);
  call.variables[name] = value;
}

void give_client_ip(GivenCall& call, const std::string& option, const std::string& text) {
  if (!Network::address(text)) throw Failure(option + ": \"" + text + "\" must be an IP address", exit_usage);
  call.client_ip = text;
}

Answered<std::string_view> GivenDetails::method() const {
  if (place_ == nullptr) return Text::open();
  if (!place_->prompt.empty()) return Text::known("prompts/get");
  if (!place_->uri.empty()) return Text::known("resources/read");
  return place_->kind == "mcp" ? Text::known("tools/call") : said(place_->method);
}

Answered<std::string_view> GivenDetails::tool() const { return place_ == nullptr ? Text::open() : said(place_->tool); }

Answered<std::string_view> GivenDetails::client_ip() const {
  return call_.client_ip ? Text::known(*call_.client_ip) : Text::open();
}

const policy::ArgumentValue* GivenDetails::find(const ArgumentPath& path) const {
  static const policy::ArgumentValue missing;
  if (!call_.arguments) return nullptr;
  const auto found = call_.arguments->find(path);
  return found == call_.arguments->end() ? &missing : &found->second;
}

Answered<std::string_view> GivenDetails::variable(const HostVariable& variable) const {
  const auto found = call_.variables.find(variable.name);
  return found == call_.variables.end() ? Text::open() : Text::known(found->second);
}

}  // namespace agw::agwctl
