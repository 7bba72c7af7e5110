#include "call_details.h"

#include "agw/json/scalar.h"
#include "agw/mcp/message.h"

#include "further.h"
#include "subject.h"

namespace agw::gateway {

using Text = Answered<std::string_view>;

Answered<std::string_view> CallDetails::method() const {
  if (made() != nullptr) return Text::known("tools/call");
  return Text::known(location_.kind == gateway::Kind::mcp ? call_.mcp_method : request_.method());
}

Answered<std::string_view> CallDetails::tool() const {
  if (further_ != nullptr) {
    const bool tool = further_->kind == mcp::SubjectKind::tool || further_->task != nullptr;
    return tool ? Text::known(further_->name) : Text();
  }
  return call_.mcp_tool.empty() ? Text() : Text::known(call_.mcp_tool);
}

Answered<std::string_view> CallDetails::client_ip() const { return Text::known(request_.client_ip()); }

Answered<std::string_view> CallDetails::variable(const HostVariable& variable) const {
  const auto value = request_.variable(variable.handle);
  return value ? Text::known(*value) : Text();
}

const CallDetails::Value* CallDetails::find(const ArgumentPath& path) const {
  if (!found_) found_.emplace();
  const auto known = found_->find(path);
  if (known != found_->end()) return &known->second;
  return &found_->emplace(path, in_request(path)).first->second;
}

const CallDetails::Sources& CallDetails::sources() const {
  if (!sources_) sources_ = location_.kind == gateway::Kind::mcp ? read_mcp() : read_rest();
  return *sources_;
}

const MadeTask* CallDetails::made() const noexcept {
  return further_ != nullptr && further_->task != nullptr ? further_->task.get() : call_.made.get();
}

/// The arguments that the call had which made the task.
CallDetails::Sources CallDetails::read_made(const MadeTask& made) const {
  Sources out;
  out.readable = made.arguments.has_value();
  if (!out.readable || made.arguments->empty()) return out;
  const auto read = document_.read(*made.arguments, {});
  out.readable = read.has_value();
  if (read) out.json = *read;
  if (further_ != nullptr && further_->task == nullptr) out.json = inner_arguments(*call_.route, out.json);
  return out;
}

CallDetails::Sources CallDetails::read_mcp() const {
  if (made() != nullptr) return read_made(*made());
  Sources out;
  mcp::ReadLimits limits;
  limits.json.max_bytes = location_.max_body;
  const auto message = mcp::read_message(document_, body_, request_.headers(), limits);
  out.readable = message.has_value();
  if (!message) return out;
  out.json = message->arguments;
  if (further_ != nullptr) {
    out.captures = further_->captures;
    if (further_->kind == mcp::SubjectKind::tool) out.json = inner_arguments(*call_.route, message->arguments);
  } else if (message->subject == mcp::SubjectKind::resource) {
    out.captures = subject_of(location_, message->subject, message->name).captures;
  }
  return out;
}

CallDetails::Sources CallDetails::read_rest() const {
  Sources out;
  auto query = rest::parse_query(request_.query());
  out.query_readable = query.has_value();
  if (query) out.query = *std::move(query);
  // A body is read where the location's policy names one; what isn't plain JSON can't be looked into.
  out.readable = location_.body_is_judged && request_.headers().count("content-encoding") == 0 &&
                 json::is_json_media_type(request_.headers().get("content-type"));
  if (!out.readable) return out;
  json::Limits limits;
  limits.max_bytes = location_.max_body;
  const auto read = document_.read(body_, limits);
  out.readable = read.has_value();
  if (read) out.json = *read;
  return out;
}

CallDetails::Value CallDetails::in_request(const ArgumentPath& path) const {
  if ((further_ != nullptr ? further_->kind : call_.subject) == mcp::SubjectKind::resource) {
    for (const auto& capture : sources().captures)
      if (path.size() == 1 && capture.name == path.front()) return {.text = std::string(capture.value)};
    return {};
  }
  if (location_.kind == gateway::Kind::mcp) return in_json(sources(), path, 0);
  if (path.size() == 1) {
    const auto match = location_.router.match(request_.method(), request_.path());
    if (match)
      for (const auto& capture : match->captures)
        if (capture.name == path.front()) return Value::untyped(std::string(capture.value));
    return {};
  }
  if (path.front() == "body") return in_json(sources(), path, 1);
  if (path.front() != "query" || path.size() != 2) return {};
  if (!sources().query_readable) return {.certain = false};
  Value out;
  for (const auto& parameter : sources().query) {
    if (parameter.name != path[1]) continue;
    // Which of two the backend takes nobody knows.
    if (out.text) return {.certain = false};
    out = Value::untyped(parameter.value);
  }
  return out;
}

CallDetails::Value CallDetails::in_json(const Sources& sources, const ArgumentPath& path, std::size_t from) {
  if (!sources.readable) return {.certain = false};
  std::optional<json::Value> here = sources.json;
  for (std::size_t i = from; i < path.size() && here; ++i) {
    if (!here->is(json::Kind::object)) return {.certain = false};
    const auto inner = here->member(path[i]);
    // Some readers take a look-alike for the name: then it isn't certain that it is missing.
    if (!inner && here->has_lookalike_of(path[i])) return {.certain = false};
    here = inner;
  }
  if (!here) return {};
  if (const auto truth = here->boolean()) return {.truth = truth};
  if (here->is(json::Kind::string)) return {.text = std::string(here->text())};
  std::string scratch;
  const auto integer = json::scalar_text(*here, scratch);
  if (!integer) return {.certain = false};
  return {.text = std::string(*integer)};
}

}  // namespace agw::gateway
