// When an operation may be used, said by the store: nothing of nginx's configuration changes.
#include "agw/base/encoding.h"
#include "agw/grants/redis_codec.h"

#include "arguments.h"
#include "change.h"
#include "commands.h"
#include "failure.h"

namespace agw::agwctl {
namespace {

/// Writes one field of the operation's record, or takes it away; the record may be a new one.
int write_field(const TenantWriteOptions& options, const std::string& operation, const std::string& field,
                const std::string& value, std::ostream& out) {
  expect_operation("--operation", operation);
  expect_reason(options.write);
  const Plan plan = [&](TenantChange& change) {
    const std::string name = "operation:" + operation;
    const grants::Fields& held = change.read(name);
    const auto was = held.find(field);
    if (value == (was == held.end() ? std::string() : was->second)) return std::vector<Change>();
    Change written;
    written.name = name;
    written.created = held.empty();
    if (value.empty())
      written.removed.push_back(field);
    else
      written.written.emplace(field, value);
    return std::vector<Change>{std::move(written)};
  };
  return change_tenant(options.write, options.tenant, options.if_version, plan, out);
}

}  // namespace

int freeze(const FreezeOptions& options, std::ostream& out) {
  return write_field(options.change, options.operation, "frozen", options.frozen ? "true" : "false", out);
}

int set_windows(const WindowOptions& options, std::ostream& out) {
  if (options.windows.empty() != options.any_time)
    throw Failure("when may it be used? Write windows as \"Mon-Fri 09:00-17:00 Europe/Berlin\", or --any-time",
                  exit_usage);
  grants::TenantPolicy written;
  OperationRecord& record = written.operations[options.operation];
  for (const auto& text : options.windows) {
    auto window = Window::parse(text);
    if (!window) throw Failure("WINDOW \"" + text + "\" " + window.error(), exit_usage);
    record.windows.push_back(*std::move(window));
  }
  const auto keys = grants::encode_tenant(written);
  const grants::Fields& fields = keys.at("operation:" + options.operation);
  const auto found = fields.find("windows");
  return write_field(options.change, options.operation, "windows", found == fields.end() ? "" : found->second, out);
}

}  // namespace agw::agwctl
