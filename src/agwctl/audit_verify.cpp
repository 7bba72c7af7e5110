#include <fstream>

#include "agw/audit/verify.h"
#include "agw/io/files.h"

#include "commands.h"
#include "failure.h"
#include "json_text.h"
#include "printable.h"

namespace agw::agwctl {
namespace {

constexpr std::size_t max_key = 64U * 1024;

Secret read_key(const std::string& path) {
  WatchedFile file(path, max_key);
  const auto content = file.read();
  if (!content) throw Failure(path + ": the key can't be read");
  return (*content)->clone();
}

}  // namespace

int verify_audit(const VerifyOptions& options, std::ostream& out) {
  std::vector<Secret> keys;
  keys.reserve(options.key_files.size());
  for (const auto& path : options.key_files) keys.push_back(read_key(path));
  if (keys.empty() && !options.unkeyed)
    throw Failure("give --key FILE (as agent_audit's key=), or --unkeyed where there is none", exit_usage);
  audit::Verifier verifier(keys, {.unkeyed = options.unkeyed, .whole = options.whole});
  for (const auto& path : options.files) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Failure(path + ": can't be read");
    verifier.read(path, in);
    if (in.bad()) throw Failure(path + ": can't be read to its end");
  }
  verifier.finish();
  const int status = verifier.findings().empty() ? exit_ok : exit_denied;
  if (options.json) {
    std::vector<std::string> findings;
    for (const auto& finding : verifier.findings())
      findings.push_back(
          JsonObject().text("file", finding.file).number("line", finding.line).text("what", finding.what).str());
    out << JsonObject()
               .flag("unchanged", findings.empty())
               .number("lines", verifier.lines())
               .number("chains", verifier.chains())
               .raw("findings", json_array(findings))
               .list("notes", verifier.notes())
               .str()
        << "\n";
    return status;
  }
  for (const auto& finding : verifier.findings())
    out << printable(finding.file) << ":" << finding.line << ": " << printable(finding.what) << "\n";
  for (const auto& note : verifier.notes()) out << "note: " << printable(note) << "\n";
  out << verifier.lines() << " lines in " << verifier.chains() << " chains: ";
  if (verifier.findings().empty()) {
    out << "nothing was changed\n";
  } else {
    out << verifier.findings().size() << " findings\n";
  }
  return status;
}

}  // namespace agw::agwctl
