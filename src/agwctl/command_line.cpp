#include "command_line.h"

#include <CLI/CLI.hpp>
#include <pwd.h>
#include <unistd.h>

#include "commands.h"
#include "failure.h"
#include "manual.h"

namespace agw::agwctl {
namespace {

std::string current_user() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

enum class Stores { redis, file_too };

void add_store(CLI::App& command, StoreOptions& store, Stores stores) {
  command
      .add_option("--store,--redis", store.store,
                  stores == Stores::file_too
                      ? "redis://, rediss://, redis+sentinel://, redis+cluster://, unix: or file: (as "
                        "agent_store; default: what routes.json names)"
                      : "redis://[USER@]HOST[:PORT][/DB], rediss://…, unix:/PATH[?db=N], "
                        "redis+sentinel://[USER@]HOST[:PORT],…/MASTER[/DB], redis+cluster://[USER@]HOST[:PORT],…")
      ->type_name("URL");
  command.add_option("--password-file", store.password_file, "a file with the password; never on the command line")
      ->type_name("FILE");
  command
      .add_option("--sentinel-password-file", store.sentinel_password_file,
                  "the same for redis+sentinel://'s Sentinels")
      ->type_name("FILE");
  command.add_option("--ca", store.ca_file, "trust anchors for rediss:// (default: the system's)")->type_name("FILE");
}

void add_json(CLI::App& command, bool& json) { command.add_flag("--json", json, "machine-readable"); }

void add_write(CLI::App& command, WriteOptions& write) {
  add_store(command, write.store, Stores::redis);
  write.author = current_user();
  command.add_option("--reason", write.reason, "why; every change is recorded with it")->type_name("TEXT");
  command.add_option("--author,--by", write.author, "who (default: your login name)")->type_name("NAME");
  command.add_option("--ticket", write.ticket, "where it was asked for, as SEC-12")->type_name("TEXT");
  command
      .add_option("--replicas", write.replicas,
                  "how many replicas must have the change before it counts as done (default: all that are connected)")
      ->type_name("N");
  command.add_flag("--dry-run", write.dry_run, "only show what would change");
  add_json(command, write.json);
}

void add_tenant_write(CLI::App& command, TenantWriteOptions& change) {
  add_write(command, change.write);
  command.add_option("--tenant", change.tenant)->type_name("NAME")->capture_default_str();
  command.add_option("--if-version", change.if_version, "only if the policy is still at this version")->type_name("N");
}

void add_grant(CLI::App& command, GrantOptions& grant) {
  command
      .add_option("HOLDER", grant.holder, "agent:ISSUER|NAME, tier:NAME, bundle:NAME; user:… or group:… (entitlement)")
      ->required();
  command.add_option("OPERATION", grant.operation, "as tickets/ticket.read or tickets/*")->required();
  command.add_option("RESOURCE", grant.resource, "as ticket:T-1 or ticket:* (default: every one)");
  command
      .add_option("--whom", grant.whom,
                  "only for calls for user:ISSUER|NAME or group:ISSUER|NAME, or for nobody: machine (repeatable)")
      ->type_name("WHO")
      ->allow_extra_args(false);
  command.add_option("--when", grant.when, "only where this condition holds, as '<amount> <= 100'")
      ->type_name("CONDITION");
  command.add_option("--since", grant.since, "in force from this moment on")->type_name("TIME");
  command.add_option("--id", grant.id, "of the grant (default: a new one)")->type_name("TEXT");
  add_tenant_write(command, grant.change);
}

constexpr const char* exit_statuses =
    "Exit status: 0 done (explain: allowed); 1 failed: the file is wrong, the store doesn't answer,\n"
    "the policy was changed by somebody else meanwhile, status: something is wrong; 2 wrong command line;\n"
    "3 the answer is no (explain: denied, who-can: nobody, what-can: nothing, stale: something unused,\n"
    "test: not as expected, lint: something found, audit verify: the log was changed).";

}  // namespace

struct CommandLine::Definition {
  explicit Definition(std::ostream& where) : out(where) {
    app.name("agwctl");
    app.require_subcommand(1);
    app.footer(exit_statuses);
    define_files();
    define_changes();
    define_operations();
    define_store();
    define_questions();
    define_lists();
    define_reviews();
    define_audit();
    define_status();
    define_manual();
  }

  /// `run` is called when the command was parsed.
  CLI::App* add(CLI::App& above, const std::string& name, const std::string& description, std::function<int()> run) {
    CLI::App* command = above.add_subcommand(name, description);
    command->callback([this, run = std::move(run)] { chosen = run; });
    return command;
  }
  CLI::App* add(const std::string& name, const std::string& description, std::function<int()> run) {
    return add(app, name, description, std::move(run));
  }

  void define_files() {
    CLI::App* command = add("check", "Say whether a policy file is good, or what is wrong and where",
                            [this] { return check(check_options, out); });
    command->add_option("FILE", check_options.file, "the policy file")->required();
    add_json(*command, check_options.json);

    command = add("apply", "Write a policy file into Redis, atomically per tenant, and show what changes",
                  [this] { return apply_policy(apply_options, out); });
    command->add_option("FILE", apply_options.file, "the policy file")->required();
    add_write(*command, apply_options.write);
    command
        ->add_option("--if-version", apply_options.if_versions,
                     "only if the tenant's policy is still at version N; TENANT=N for a file of several (repeatable)")
        ->type_name("[TENANT=]N")
        ->allow_extra_args(false);

    command =
        add("export", "Print what Redis holds as a policy file", [this] { return export_policy(export_options, out); });
    add_store(*command, export_options.store, Stores::redis);
    command->add_option("--tenant", export_options.tenants, "only this tenant (repeatable)")->type_name("NAME");
    command->add_flag_function("--json", [](std::int64_t) {}, "what it prints is JSON, with this and without");
  }

  void define_changes() {
    CLI::App* command = add("grant", "Give one grant or entitlement", [this] { return grant(grant_options, out); });
    add_grant(*command, grant_options);
    command->add_option("--until", grant_options.until, "no longer in force at this moment")->type_name("TIME");
    command->add_flag("--deny", grant_options.deny, "a denial: it wins over everything that allows");

    command = add("elevate", "Give one grant that ends by itself", [this] { return elevate(elevate_options, out); });
    add_grant(*command, elevate_options.grant);
    command->add_option("--for", elevate_options.duration, "how long, as 30m, 1h or 2d")->type_name("SPAN")->required();

    command =
        add("revoke", "Take grants back, or refuse tokens, people, agents, clients, keys, tiers or tenants at once",
            [this] { return revoke(revoke_options, out); });
    command
        ->add_option(
            "WHAT", revoke_options.holder,
            "grants of a holder: agent:…, tier:…, bundle:…, user:… or group:…; or jti, sid, user, agent, client, "
            "key, tier, tenant, issued-before")
        ->required();
    command->add_option("VALUE", revoke_options.ids,
                        "the grants' ids; or which ones, as company|mira; issued-before: now or a TIME, then whose "
                        "(user:…, agent:…, client:…, tier:…, issuer:…; nobody: all of the tenant)");
    command->add_option("--operation", revoke_options.operation, "every grant of the holder with just this pattern")
        ->type_name("PATTERN");
    command->add_flag("--all", revoke_options.all, "every grant of the holder");
    command
        ->add_option("--for", revoke_options.duration,
                     "jti, sid: how long it is remembered, at least as long as the token lives (default: until lifted)")
        ->type_name("SPAN");
    command->add_flag("--lift", revoke_options.lift, "no longer refuse it; not for grants");
    command->add_flag("--all-tenants", revoke_options.all_tenants, "issued-before: of every tenant");
    add_tenant_write(*command, revoke_options.change);

    command = add("disconnect", "Take a user's delegation from an agent",
                  [this] { return delegation(disconnect_options, out); });
    add_delegation(*command, disconnect_options);
    command = add("connect", "Give it (back)", [this] { return delegation(connect_options, out); });
    add_delegation(*command, connect_options);
    connect_options.connected = true;

    define_kill();

    CLI::App* above = app.add_subcommand("breaker", "An agent's circuit breaker, on every node at once");
    above->require_subcommand(1);
    command =
        add(*above, "open", "Nothing of the agent passes any more", [this] { return breaker(open_options, out); });
    command->add_option("AGENT", open_options.agent, "ISSUER|CLIENT, as company|docs-assistant")->required();
    auto* until = command->add_option("--until", open_options.until, "only until this moment")->type_name("TIME");
    command->add_option("--for", open_options.duration, "only so long, as 30m, 1h or 2d")
        ->type_name("SPAN")
        ->excludes(until);
    add_tenant_write(*command, open_options.change);
    open_options.open = true;
    command = add(*above, "close", "It passes again, also where it has tripped one by itself",
                  [this] { return breaker(close_options, out); });
    command->add_option("AGENT", close_options.agent, "ISSUER|CLIENT, as company|docs-assistant")->required();
    add_tenant_write(*command, close_options.change);
  }

  void define_kill() {
    CLI::App* command = add("kill", "Stop all calls on every node at once, but those of agents that break the glass",
                            [this] { return kill_switch(kill_options, out); });
    command->add_option("--tenant", kill_options.tenant, "only this tenant's (default: all tenants')")
        ->type_name("NAME");
    command->add_flag("--lift", kill_options.lift, "let them pass again");
    add_write(*command, kill_options.write);

    command = add("revocations", "List what was revoked or stopped, and what the policy disables",
                  [this] { return list_revocations(revocations_options, out); });
    add_store(*command, revocations_options.store, Stores::redis);
    command->add_option("--tenant", revocations_options.tenants, "only this tenant (repeatable)")
        ->type_name("NAME")
        ->allow_extra_args(false);
    add_json(*command, revocations_options.json);
  }

  void define_operations() {
    CLI::App* command =
        add("freeze", "Refuse an operation to everybody, at once", [this] { return freeze(freeze_options, out); });
    freeze_options.frozen = true;
    add_operation(*command, freeze_options);
    command = add("unfreeze", "No longer refuse it", [this] { return freeze(unfreeze_options, out); });
    add_operation(*command, unfreeze_options);
    command = add("window", "Say when an operation may be used", [this] { return set_windows(window_options, out); });
    command->add_option("WINDOWS", window_options.windows, "as \"Mon-Fri 09:00-17:00 Europe/Berlin\"");
    command->add_flag("--any-time", window_options.any_time, "without windows");
    add_operation(*command, window_options);
  }

  template <class Options>
  static void add_operation(CLI::App& command, Options& options) {
    command.add_option("--operation", options.operation, "NAMESPACE/OPERATION, as tickets/ticket.delete")
        ->type_name("NAME")
        ->required();
    add_tenant_write(command, options.change);
  }

  static void add_delegation(CLI::App& command, DelegationOptions& options) {
    command.add_option("USER", options.user, "ISSUER|NAME, as company|mira")->required();
    command.add_option("AGENT", options.agent, "ISSUER|CLIENT, as company|docs-assistant")->required();
    add_tenant_write(command, options.change);
  }

  void define_store() {
    CLI::App* above = app.add_subcommand("store", "What concerns the store as a whole");
    above->require_subcommand(1);
    CLI::App* command =
        add(*above, "confirm", "Say that what Redis holds is the truth, although gateways have seen a newer policy",
            [this] { return confirm_store(confirm_options, out); });
    add_store(*command, confirm_options.store, Stores::redis);
    command->add_option("--tenant", confirm_options.tenants, "only this tenant (repeatable)")->type_name("NAME");
  }

  void define_questions() {
    CLI::App* command =
        add("explain", "Say what the gateway would decide about a call, check by check, and why", [this] {
          if (scope_option->count() > 0) explain_options.scopes = scopes;
          return explain(explain_options, out);
        });
    ExplainOptions& options = explain_options;
    add_store(*command, options.store, Stores::file_too);
    command->add_option("--state", options.state, "nginx's agent_state directory")
        ->type_name("DIR")
        ->capture_default_str();
    command->add_option("--user", options.user, "ISSUER|NAME, as company|mira; not with --machine")->type_name("ID");
    command->add_option("--agent", options.agent, "ISSUER|CLIENT, as company|docs-assistant")
        ->type_name("ID")
        ->required();
    command->add_option("--under", options.chain, "another agent of the token's chain, ISSUER|CLIENT (repeatable)")
        ->type_name("ID")
        ->allow_extra_args(false);
    command->add_flag("--machine", options.machine, "the token stands for no user");
    command->add_option("--operation", options.operation, "NAMESPACE/OPERATION, as tickets/ticket.read")
        ->type_name("NAME")
        ->required();
    command->add_option("--resource", options.resource, "as ticket:T-1")->type_name("TEXT");
    scope_option = command->add_option(
        "--scope", scopes, "a scope of the token, with what it implies (repeatable; default: what is needed)");
    scope_option->type_name("NAME");
    command->add_option("--group", options.groups, "a group of the token, ISSUER|NAME (repeatable)")->type_name("ID");
    command->add_option("--tenant", options.tenant)->type_name("NAME")->capture_default_str();
    command->add_option("--issuer", options.issuer, "the issuer's alias (default: the agent's)")->type_name("NAME");
    command->add_option("--provider", options.provider, "the token's provider claim")->type_name("TEXT");
    command->add_option("--model", options.model, "the token's model claim")->type_name("TEXT");
    command->add_option("--location", options.location, "only this location of routes.json")->type_name("NAME");
    command->add_option("--at", options.at, "the moment of the call (default: now)")->type_name("TIME");
    command->add_option("--issued-at", options.issued_at, "when the token was issued (default: at that moment)")
        ->type_name("TIME");
    command
        ->add_option("--argument", options.arguments,
                     "an argument of the call, as amount=5 or filter/id=T-1 (repeatable; with one, all are said)")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    command->add_option("--variable", options.variables, "what a variable of nginx holds (repeatable)")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    command->add_option("--client-ip", options.client_ip, "where the call comes from")->type_name("ADDRESS");
    command->add_option("--auth-time", options.auth_time, "when the user has shown who it is")->type_name("TIME");
    command->add_option("--acr", options.acr, "the token's acr claim")->type_name("TEXT");
    add_json(*command, options.json);
  }

  void define_lists() {
    CLI::App* command = add("agents", "List the agents", [this] { return list_agents(agents_options, out); });
    add_list(*command, agents_options);
    command = add("users", "List the users", [this] { return list_users(users_options, out); });
    add_list(*command, users_options);

    command = add("stale", "List the grants that nobody has used for long",
                  [this] { return list_stale(stale_options, out); });
    command->add_option("--days", stale_options.days, "for how long, as 30, 60 or 90")
        ->type_name("N")
        ->capture_default_str();
    command->add_option("--at", stale_options.at, "the moment (default: now)")->type_name("TIME");
    add_list(*command, stale_options);

    command =
        add("who-can", "Say which agents may do something, and for whom", [this] { return who_can(who_options, out); });
    command->add_option("OPERATION", who_options.operation, "as tickets/ticket.read")->required();
    command->add_option("RESOURCE", who_options.resource, "as ticket:T-1");
    add_source(*command, who_options.source);
    add_caller(*command, who_options);

    command = add("what-can", "Say what an agent may do for a user", [this] { return what_can(what_options, out); });
    command->add_option("AGENT", what_options.agent, "ISSUER|CLIENT, as company|docs-assistant")->required();
    command->add_option("USER", what_options.user, "ISSUER|NAME, as company|mira")->required();
    command->add_option("--group", what_options.groups, "a group of the token, ISSUER|NAME (repeatable)")
        ->type_name("ID")
        ->allow_extra_args(false);
    command->add_flag("--all", what_options.all, "show what is refused, too");
    add_source(*command, what_options.source);
    add_caller(*command, what_options);
  }

  void define_reviews() {
    CLI::App* command = add("test", "Hold a policy against a table of expected answers",
                            [this] { return test_policy(test_options, out); });
    command->add_option("FILE", test_options.file, "the table, JSON or YAML")->required();
    add_source(*command, test_options.source);
    command->add_option("--tenant", test_options.tenant, "of tests that name none")
        ->type_name("NAME")
        ->capture_default_str();
    command->add_option("--at", test_options.at, "the moment of tests that name none (default: now)")
        ->type_name("TIME");
    command->add_flag("--all", test_options.all, "show the good ones, too");
    add_json(*command, test_options.json);

    command = add("lint", "Say what is a good policy and still not right", [this] { return lint(lint_options, out); });
    command->add_option("FILE", lint_options.file, "a policy file, in place of a store");
    add_source(*command, lint_options.source);
    command->add_option("--tenant", lint_options.tenants, "only this tenant (repeatable)")
        ->type_name("NAME")
        ->allow_extra_args(false);
    command->add_option("--ignore", lint_options.ignored, "findings of this code (repeatable)")
        ->type_name("CODE")
        ->allow_extra_args(false);
    command->add_option("--at", lint_options.at, "the moment (default: now)")->type_name("TIME");
    add_json(*command, lint_options.json);
  }

  static void add_source(CLI::App& command, SourceOptions& source) {
    add_store(command, source.store, Stores::file_too);
    command
        .add_option(
            "--state", source.state,
            "nginx's agent_state directory, for the routes (default: /var/lib/nginx/agent, if there is no --store)")
        ->type_name("DIR");
  }

  template <class Options>
  static void add_list(CLI::App& command, Options& options) {
    add_source(command, options.source);
    command.add_option("--tenant", options.tenants, "only this tenant (repeatable)")
        ->type_name("NAME")
        ->allow_extra_args(false);
    add_json(command, options.json);
  }

  template <class Options>
  static void add_caller(CLI::App& command, Options& options) {
    command.add_option("--tenant", options.tenant)->type_name("NAME")->capture_default_str();
    command
        .add_option("--provider", options.provider, "the token's provider claim, for agents whose record names no tier")
        ->type_name("TEXT");
    command.add_option("--model", options.model, "the token's model claim")->type_name("TEXT");
    command.add_option("--at", options.at, "the moment of the call (default: now)")->type_name("TIME");
    add_json(command, options.json);
  }

  void define_audit() {
    CLI::App* above = app.add_subcommand("audit", "The audit log");
    above->require_subcommand(1);
    CLI::App* command = add(*above, "verify", "Say whether audit logs are what was written, or where they were changed",
                            [this] { return verify_audit(verify_options, out); });
    command->add_option("FILES", verify_options.files, "the logs, the oldest first")->required();
    command
        ->add_option("--key", verify_options.key_files, "the file of agent_audit's key= (repeatable: former ones too)")
        ->type_name("FILE")
        ->allow_extra_args(false);
    command->add_flag("--unkeyed", verify_options.unkeyed, "lines without MACs are good: only numbers are checked");
    add_json(*command, verify_options.json);
    command->add_flag("--whole", verify_options.whole, "every chain must begin and end in these files");
  }

  void define_status() {
    CLI::App* command = add("status", "Say how every worker of the running nginx is, and what is wrong",
                            [this] { return show_status(status_options, out); });
    command->add_option("--state", status_options.state, "nginx's agent_state directory")
        ->type_name("DIR")
        ->capture_default_str();
    add_json(*command, status_options.json);
  }

  void define_manual() {
    CLI::App* above = app.add_subcommand("completion", "Print what completes agwctl's command lines in a shell");
    above->require_subcommand(1);
    add(*above, "bash", "For /usr/share/bash-completion/completions/agwctl",
        [this] { return print(bash_completion(app)); });
    add(*above, "zsh", "For _agwctl in a folder of fpath", [this] { return print(zsh_completion(app)); });
    add("man", "Print the manual page, for man -l or /usr/share/man/man1", [this] { return print(manual_page(app)); });
  }

  int print(const std::string& text) {
    out << text;
    return exit_ok;
  }

  std::ostream& out;
  CLI::App app{"The agent gateway: its policy, and its audit log."};
  std::function<int()> chosen;

  CheckOptions check_options;
  ApplyOptions apply_options;
  ExportOptions export_options;
  GrantOptions grant_options;
  ElevateOptions elevate_options;
  FreezeOptions freeze_options;
  FreezeOptions unfreeze_options;
  WindowOptions window_options;
  RevokeOptions revoke_options;
  KillOptions kill_options;
  RevocationsOptions revocations_options;
  DelegationOptions disconnect_options;
  DelegationOptions connect_options;
  BreakerOptions open_options;
  BreakerOptions close_options;
  ConfirmOptions confirm_options;
  ExplainOptions explain_options;
  std::vector<std::string> scopes;
  CLI::Option* scope_option = nullptr;
  ListOptions agents_options;
  ListOptions users_options;
  StaleOptions stale_options;
  WhoCanOptions who_options;
  WhatCanOptions what_options;
  TestOptions test_options;
  LintOptions lint_options;
  VerifyOptions verify_options;
  StatusOptions status_options;
};

CommandLine::CommandLine(std::ostream& out) : definition_(std::make_unique<Definition>(out)) {}
CommandLine::~CommandLine() = default;

int CommandLine::run(int argc, const char* const* argv) {
  CLI::App& app = definition_->app;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, definition_->out, std::cerr) == 0 ? exit_ok : exit_usage;
  }
  return definition_->chosen();
}

const CLI::App& CommandLine::app() const noexcept { return definition_->app; }

}  // namespace agw::agwctl
