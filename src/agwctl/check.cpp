#include "commands.h"
#include "failure.h"
#include "policy_error.h"

namespace agw::agwctl {

std::shared_ptr<const grants::CompiledPolicy> read_policy_file(const std::string& file) {
  auto policy = grants::load_policy_file(file);
  if (policy) return *std::move(policy);
  const grants::PolicyError& error = policy.error();
  std::string said = file;
  if (error.line > 0) said += ":" + std::to_string(error.line);
  said += ": ";
  if (!error.path.empty() && error.path != file) said += error.path + " ";
  throw Failure(said + error.message);
}

int check(const std::string& file, std::ostream& out) {
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
