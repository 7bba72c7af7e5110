// agwctl: the gateway's policy and audit log from the command line.
#include <exception>
#include <iostream>

#include <CLI/CLI.hpp>
#include <pwd.h>
#include <unistd.h>

#include "commands.h"
#include "failure.h"

namespace {

using namespace agw::agwctl;

void add_store(CLI::App& command, StoreOptions& store, bool file_too) {
  command.add_option("--store,--redis", store.store,
                     file_too ? "redis://, rediss://, unix: or file: (as agent_store; default: what routes.json names)"
                              : "redis://[USER@]HOST[:PORT][/DB], rediss://…, unix:/PATH[?db=N]");
  command.add_option("--password-file", store.password_file, "a file with the password; never on the command line");
  command.add_option("--ca", store.ca_file, "trust anchors for rediss:// (default: the system's)");
}

std::string current_user() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

int main_guarded(int argc, char** argv) {
  CLI::App app("The agent gateway: its policy (apply, export, check, explain, store confirm) and its audit log.");
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 done (explain: allowed); 1 failed: the file is wrong, the store doesn't answer,\n"
      "the policy was changed by somebody else meanwhile; 2 wrong command line; 3 explain: denied,\n"
      "audit verify: the log was changed.");

  ApplyOptions apply_options;
  apply_options.by = current_user();
  CLI::App* apply_command =
      app.add_subcommand("apply", "Write a policy file into Redis, atomically per tenant, and show what changes");
  apply_command->add_option("FILE", apply_options.file, "the policy file")->required();
  add_store(*apply_command, apply_options.store, false);
  apply_command->add_option("--reason", apply_options.reason, "why, for the record of changes");
  apply_command->add_option("--by", apply_options.by,
                            "who, for the record of changes (default: the user who runs this)");
  apply_command->add_flag("--dry-run", apply_options.dry_run, "only show what would change");

  ExportOptions export_options;
  CLI::App* export_command = app.add_subcommand("export", "Print what Redis holds as a policy file");
  add_store(*export_command, export_options.store, false);
  export_command->add_option("--tenant", export_options.tenants, "only this tenant (repeatable)");

  ConfirmOptions confirm_options;
  CLI::App* store_command = app.add_subcommand("store", "What concerns the store as a whole");
  store_command->require_subcommand(1);
  CLI::App* confirm_command = store_command->add_subcommand(
      "confirm", "Say that what Redis holds is the truth, although gateways have seen a newer policy");
  add_store(*confirm_command, confirm_options.store, false);
  confirm_command->add_option("--tenant", confirm_options.tenants, "only this tenant (repeatable)");

  std::string check_file;
  CLI::App* check_command =
      app.add_subcommand("check", "Say whether a policy file is good, or what is wrong and where");
  check_command->add_option("FILE", check_file, "the policy file")->required();

  VerifyOptions verify_options;
  CLI::App* audit_command = app.add_subcommand("audit", "The audit log");
  audit_command->require_subcommand(1);
  CLI::App* verify_command = audit_command->add_subcommand(
      "verify", "Say whether audit logs are what was written, or where they were changed");
  verify_command->add_option("FILES", verify_options.files, "the logs, the oldest first")->required();
  verify_command
      ->add_option("--key", verify_options.key_files, "the file of agent_audit's key= (repeatable: former ones too)")
      ->allow_extra_args(false);
  verify_command->add_flag("--unkeyed", verify_options.unkeyed,
                           "lines without MACs are good: only numbers are checked");
  verify_command->add_flag("--whole", verify_options.whole, "every chain must begin and end in these files");

  ExplainOptions explain_options;
  std::vector<std::string> scopes;
  CLI::App* explain_command =
      app.add_subcommand("explain", "Say what the gateway would decide about a call, check by check, and why");
  add_store(*explain_command, explain_options.store, true);
  explain_command->add_option("--state", explain_options.state, "nginx's agent_state directory")->capture_default_str();
  explain_command->add_option("--user", explain_options.user, "ISSUER|NAME, as company|mira")->required();
  explain_command->add_option("--agent", explain_options.agent, "ISSUER|CLIENT, as company|docs-assistant")->required();
  explain_command->add_option("--operation", explain_options.operation, "NAMESPACE/OPERATION, as tickets/ticket.read")
      ->required();
  explain_command->add_option("--resource", explain_options.resource, "as ticket:T-1");
  auto* scope_option = explain_command->add_option(
      "--scope", scopes, "a scope of the token, with what it implies (repeatable; default: what is needed)");
  explain_command->add_option("--group", explain_options.groups, "a group of the token, ISSUER|NAME (repeatable)");
  explain_command->add_option("--tenant", explain_options.tenant)->capture_default_str();
  explain_command->add_option("--issuer", explain_options.issuer, "the issuer's alias (default: the agent's)");
  explain_command->add_option("--provider", explain_options.provider, "the token's provider claim");
  explain_command->add_option("--model", explain_options.model, "the token's model claim");
  explain_command->add_option("--location", explain_options.location, "only this location of routes.json");
  explain_command->add_option("--at", explain_options.at, "the moment of the call (default: now)");
  explain_command->add_option("--issued-at", explain_options.issued_at,
                              "when the token was issued (default: at that moment)");
  explain_command->add_flag("--json", explain_options.json, "machine-readable");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_ok : exit_usage;
  }
  if (scope_option->count() > 0) explain_options.scopes = scopes;
  if (apply_command->parsed()) return apply_policy(apply_options, std::cout);
  if (export_command->parsed()) return export_policy(export_options, std::cout);
  if (confirm_command->parsed()) return confirm_store(confirm_options, std::cout);
  if (check_command->parsed()) return check(check_file, std::cout);
  if (verify_command->parsed()) return verify_audit(verify_options, std::cout);
  return explain(explain_options, std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return main_guarded(argc, argv);
  } catch (const Failure& failure) {
    std::cout.flush();
    std::cerr << "agwctl: " << failure.what() << "\n";
    return failure.status();
  } catch (const std::exception& error) {
    std::cerr << "agwctl: " << error.what() << "\n";
    return exit_failed;
  }
}
