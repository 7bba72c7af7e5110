#include "status_view.h"

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "failure.h"
#include "json_text.h"
#include "printable.h"
#include "table.h"

namespace agw::agwctl {
namespace {

using status::Kind;
using status::Report;
using status::StoreKind;

/// Journals that are fuller will soon deny calls.
constexpr std::uint64_t full_percent = 90;
constexpr std::size_t digest_shown = 12;

std::int64_t age(std::int64_t now, std::int64_t then) {
  std::int64_t out = 0;
  return __builtin_sub_overflow(now, then, &out) || out < 0 ? 0 : out;
}

/// `0.2 s`, `12 s`, `5 min`, `3 h`, `4 d`.
std::string span_text(std::int64_t ms) {
  const auto rounded = [](std::int64_t value, const char* unit) { return std::to_string(value) + unit; };
  if (ms < 10'000) return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
  if (ms < 120'000) return rounded(ms / 1000, " s");
  if (ms < 2 * 3'600'000) return rounded(ms / 60'000, " min");
  if (ms < 48LL * 3'600'000) return rounded(ms / 3'600'000, " h");
  return rounded(ms / (24LL * 3'600'000), " d");
}

std::string time_text(std::int64_t ms) { return ms == 0 ? "never" : format_rfc3339(WallTime(Milliseconds(ms))); }

std::string_view store_text(StoreKind kind) {
  switch (kind) {
    case StoreKind::file: return "file";
    case StoreKind::push: return "push";
    case StoreKind::strict: return "strict";
    case StoreKind::max_age: return "max_age";
    case StoreKind::none: break;
  }
  return "none";
}

/// Whether writes are to be heard of.
bool is_told(StoreKind kind) { return kind == StoreKind::push || kind == StoreKind::strict; }

std::string_view state_text(const Told& told, bool draining) {
  switch (told.life) {
    case Told::Life::dead: return "died";
    case Told::Life::stopped: return "stopped";
    case Told::Life::runs: break;
  }
  return draining ? "draining" : "runs";
}

std::string signed_text(std::int64_t value) { return std::to_string(value); }

/// Sentences, each once, with whom it concerns.
class Findings {
 public:
  void add(const std::string& who, const std::string& what) {
    const auto known = std::find_if(found_.begin(), found_.end(), [&](const auto& one) { return one.second == what; });
    if (known == found_.end()) {
      found_.push_back({{who}, what});
    } else {
      known->first.push_back(who);
    }
  }
  void add(const std::string& what) { found_.push_back({{}, what}); }

  [[nodiscard]] std::vector<std::string> sentences() const {
    std::vector<std::string> out;
    out.reserve(found_.size());
    for (const auto& [who, what] : found_) out.push_back(who.empty() ? what : joined(who) + ": " + what);
    return out;
  }

 private:
  std::vector<std::pair<std::vector<std::string>, std::string>> found_;
};

/// The processes of one nginx.
class Server {
 public:
  Server(std::int32_t master, const Reading& reading) : master_(master), reading_(reading) {
    for (const Told& told : reading.processes)
      if (told.report.process.master == master) processes_.push_back(&told);
    std::sort(processes_.begin(), processes_.end(), [](const Told* one, const Told* other) {
      const auto key = [](const Told* told) {
        const auto& process = told->report.process;
        return std::tuple(process.kind != Kind::worker, ~process.generation, process.number, process.pid);
      };
      return key(one) < key(other);
    });
    for (const Told* told : processes_)
      if (told->life != Told::Life::dead) newest_ = std::max(newest_, told->report.process.generation);
    std::erase_if(processes_,
                  [this](const Told* told) { return told->life == Told::Life::dead && is_replaced(*told); });
    for (const Told* told : processes_) {
      if (told->life == Told::Life::dead) continue;
      const auto& process = told->report.process;
      if (process.generation == newest_ && newest_process_ == nullptr) newest_process_ = told;
      if (process.kind == Kind::worker && !draining(*told)) ++workers_;
      if (process.kind == Kind::sealer && !draining(*told)) sealers_ += 1;
    }
  }

  /// Whether it takes calls.
  [[nodiscard]] bool serves() const { return workers_ > 0; }

  /// `others_serve`: then one without workers is on its way out (a new binary, by USR2).
  void judge(bool others_serve, Findings& wrong, Findings& notes) const {
    for (const Told* told : processes_) judge(*told, wrong, notes);
    if (newest_process_ == nullptr || (others_serve && !serves())) return;
    const auto& process = newest_process_->report.process;
    if (workers_ < process.workers)
      wrong.add(std::to_string(workers_) + " of " + std::to_string(process.workers) + " workers run");
    if (process.audited != 0 && sealers_ == 0) wrong.add("no process writes the audit log");
  }

  [[nodiscard]] std::string json() const {
    JsonObject out;
    out.raw("master", signed_text(master_)).number("generation", newest_);
    if (newest_process_ != nullptr) {
      const auto& process = newest_process_->report.process;
      out.text("configured", time_text(process.configured)).number("workers_wanted", process.workers);
    }
    std::vector<std::string> workers;
    std::vector<std::string> sealers;
    for (const Told* told : processes_)
      (told->report.process.kind == Kind::sealer ? sealers : workers).push_back(json(*told));
    return out.raw("workers", json_array(workers)).raw("sealers", json_array(sealers)).str();
  }

  void print(std::ostream& out) const {
    out << "nginx " << master_;
    if (newest_process_ != nullptr) {
      const auto& process = newest_process_->report.process;
      out << ": configuration " << process.generation << " of " << time_text(process.configured) << ", " << workers_
          << " of " << process.workers << " workers";
    }
    out << "\n\n";
    print_workers(out);
    print_policies(out);
    print_copies(out);
    print_issuers(out);
    print_sealers(out);
  }

 private:
  [[nodiscard]] bool draining(const Told& told) const {
    return told.report.draining != 0 || told.report.process.generation < newest_;
  }

  /// Whether another process has the dead one's task.
  [[nodiscard]] bool is_replaced(const Told& dead) const {
    const auto& gone = dead.report.process;
    return std::any_of(processes_.begin(), processes_.end(), [&](const Told* told) {
      const auto& process = told->report.process;
      return told->life != Told::Life::dead && process.kind == gone.kind && process.number == gone.number &&
             process.generation >= gone.generation;
    });
  }

  static std::string name(const Told& told) {
    const auto& process = told.report.process;
    const std::string pid = " (pid " + std::to_string(process.pid) + ")";
    return process.kind == Kind::sealer ? "audit sealer" + pid : "worker " + std::to_string(process.number) + pid;
  }

  void judge(const Told& told, Findings& wrong, Findings& notes) const {
    const Report& report = told.report;
    const std::string who = name(told);
    if (report.process.deaths > 0)
      notes.add(who, std::to_string(report.process.deaths) + " before it died, the last one was pid " +
                         std::to_string(report.process.dead));
    if (told.life == Told::Life::dead) return wrong.add(who, "died, and nothing has taken its place");
    if (told.life == Told::Life::stopped) return wrong.add(who, "is stopped (SIGSTOP, or a debugger)");
    if (const auto quiet = age(reading_.boot_now, report.told); quiet > silent_after.count())
      return wrong.add(who, "has said nothing for " + span_text(quiet) + ": it hangs, or doesn't get to run");
    if (draining(told)) return;
    if (report.process.kind == Kind::sealer) return judge_journal(report, who, wrong);
    judge_store(report.store, who, wrong);
    judge_stops(report, who, wrong, notes);
    for (const auto& issuer : issuers_of(report))
      if (issuer.usable == 0)
        wrong.add(who, "issuer " + std::string(issuer.name.view()) + ": " + std::string(issuer.fault.view()));
  }

  static void judge_store(const status::Store& store, const std::string& who, Findings& wrong) {
    const std::string broken(store.broken.view());
    if (store.kind == StoreKind::file) {
      if (!broken.empty())
        wrong.add(who, "the policy file is broken: " + broken + "; the last good policy " +
                           (store.usable != 0 ? "stays in force" : "was never read here: calls are denied"));
      return;
    }
    const std::string trouble(store.trouble.view());
    if (is_told(store.kind) && store.hears == 0)
      return wrong.add(who, "doesn't hear of changes" + (trouble.empty() ? "" : " (" + trouble + ")") +
                                ": every call asks Redis for all that it needs");
    if (!trouble.empty()) wrong.add(who, "Redis: " + trouble);
  }

  /// A stop is no fault of the server's: it is what somebody wants.
  static void judge_stops(const Report& report, const std::string& who, Findings& wrong, Findings& notes) {
    for (const auto& tenant : tenants_of(report))
      if (tenant.stopped != 0)
        notes.add(who, "calls of tenant " + std::string(tenant.name.view()) +
                           " are stopped; agwctl kill --lift lets them pass again");
    if (report.break_glass > 0)
      notes.add(who, "a stop doesn't hold for " + std::to_string(report.break_glass) + " agents (agent_break_glass)");
    if (!report.break_glass_fault.view().empty())
      wrong.add(who,
                "agent_break_glass " + std::string(report.break_glass_fault.view()) + "; a stop holds for every agent");
  }

  static void judge_journal(const Report& report, const std::string& who, Findings& wrong) {
    const auto& journal = report.journal;
    if (journal.written == 0) wrong.add(who, "the audit log can't be written: events wait in the journal");
    if (percent(journal) >= full_percent)
      wrong.add(who, "a worker's audit journal is " + std::to_string(percent(journal)) + " % full");
  }

  /// Of the worker that has least room left.
  static std::uint64_t percent(const status::Journal& journal) {
    const std::uint64_t room = journal.segments == 0 ? 0 : journal.slots / journal.segments;
    if (journal.fullest >= room) return room == 0 ? 0 : 100;
    return room < 100 ? journal.fullest * 100 / room : journal.fullest / (room / 100);
  }

  static std::span<const status::Issuer> issuers_of(const Report& report) {
    return std::span(report.issuer).first(std::min<std::size_t>(report.issuers, status::most_issuers));
  }
  static std::span<const status::Tenant> tenants_of(const Report& report) {
    return std::span(report.tenant).first(std::min<std::size_t>(report.tenants, status::most_tenants));
  }

  [[nodiscard]] std::string json(const Told& told) const {
    const Report& report = told.report;
    const auto& process = report.process;
    JsonObject out;
    out.raw("pid", signed_text(process.pid)).text("state", state_text(told, draining(told)));
    if (process.kind != Kind::sealer) out.number("number", process.number);
    out.text("since", time_text(process.since)).number("generation", process.generation);
    out.raw("told_ms_ago", signed_text(age(reading_.boot_now, report.told))).number("deaths", process.deaths);
    if (process.kind == Kind::sealer) return out.raw("journal", json(report.journal)).str();
    out.raw("store", json(report.store));
    std::vector<std::string> tenants;
    for (const auto& tenant : tenants_of(report)) {
      JsonObject one;
      one.text("name", tenant.name.view()).text("incarnation", tenant.incarnation.view());
      one.number("version", tenant.version).flag("current", tenant.current != 0);
      tenants.push_back(one.flag("stopped", tenant.stopped != 0).str());
    }
    std::vector<std::string> issuers;
    for (const auto& issuer : issuers_of(report)) {
      JsonObject one;
      one.text("name", issuer.name.view())
          .flag("usable", issuer.usable != 0)
          .text("keys_of", time_text(issuer.fetched));
      issuers.push_back(one.text_if("fault", issuer.fault.view()).str());
    }
    out.number("break_glass", report.break_glass).text_if("break_glass_fault", report.break_glass_fault.view());
    out.number("tenants_known", report.tenants).raw("tenants", json_array(tenants));
    return out.number("issuers_known", report.issuers).raw("issuers", json_array(issuers)).str();
  }

  static std::string json(const status::Store& store) {
    JsonObject out;
    out.text("kind", store_text(store.kind)).flag("usable", store.usable != 0);
    if (store.kind == StoreKind::file) {
      out.text("digest", store.digest.view()).text("read", time_text(store.read));
      return out.text_if("broken", store.broken.view()).str();
    }
    out.flag("connected", store.connected != 0).text_if("trouble", store.trouble.view());
    out.raw("bound_ms", signed_text(store.bound)).number("misses", store.misses);
    if (is_told(store.kind))
      out.flag("hears", store.hears != 0)
          .raw("lease_age_ms", signed_text(store.heartbeat))
          .number("invalidations", store.invalidations)
          .number("connects", store.connects);
    out.number("hits", store.hits).number("evictions", store.evictions).number("entries", store.entries);
    return out.number("bytes", store.bytes).number("limit_bytes", store.limit).str();
  }

  static std::string json(const status::Journal& journal) {
    JsonObject out;
    out.flag("sealing", journal.sealing != 0).flag("written", journal.written != 0);
    out.number("segments", journal.segments).number("slots", journal.slots).number("used", journal.used);
    out.number("fullest_percent", percent(journal));
    return out.number("lines", journal.lines).text("sealed", time_text(journal.sealed)).str();
  }

  void print_workers(std::ostream& out) const {
    Table table({"WORKER", "PID", "STATE", "SINCE", "CONFIGURATION", "STORE", "TOLD"});
    for (const Told* told : processes_) {
      const auto& process = told->report.process;
      if (process.kind == Kind::sealer) continue;
      table.add({std::to_string(process.number), std::to_string(process.pid),
                 std::string(state_text(*told, draining(*told))), time_text(process.since),
                 std::to_string(process.generation), std::string(store_text(told->report.store.kind)),
                 span_text(age(reading_.boot_now, told->report.told)) + " ago"});
    }
    table.print(out);
  }

  void print_policies(std::ostream& out) const {
    Table table({"WORKER", "PID", "POLICY", "READ", "LAST EDIT"});
    bool any = false;
    for (const Told* told : processes_) {
      const auto& store = told->report.store;
      if (told->report.process.kind == Kind::sealer || store.kind != StoreKind::file) continue;
      any = true;
      table.add({std::to_string(told->report.process.number), std::to_string(told->report.process.pid),
                 std::string(store.digest.view().substr(0, digest_shown)), time_text(store.read),
                 store.broken.view().empty() ? "good" : "broken"});
    }
    if (any) {
      out << "\n";
      table.print(out);
    }
  }

  void print_copies(std::ostream& out) const {
    Table copies({"WORKER", "PID", "REDIS", "HEARS", "LEASE AGE", "HITS", "MISSES", "INVALIDATIONS", "EVICTIONS",
                  "ENTRIES", "BYTES"});
    Table tenants({"WORKER", "PID", "TENANT", "VERSION", "INCARNATION", "COUNTS"});
    bool any = false;
    bool any_tenant = false;
    for (const Told* told : processes_) {
      const Report& report = told->report;
      const auto& store = report.store;
      if (report.process.kind == Kind::sealer || store.kind == StoreKind::file) continue;
      any = true;
      const std::string number = std::to_string(report.process.number);
      const std::string pid = std::to_string(report.process.pid);
      const bool told_of = is_told(store.kind);
      copies.add({number, pid, store.connected != 0 ? "connected" : "not connected",
                  told_of ? (store.hears != 0 ? "yes" : "no") : "-",
                  told_of && store.heartbeat >= 0 ? span_text(store.heartbeat) : "-", std::to_string(store.hits),
                  std::to_string(store.misses), told_of ? std::to_string(store.invalidations) : "-",
                  std::to_string(store.evictions), std::to_string(store.entries), std::to_string(store.bytes)});
      for (const auto& tenant : tenants_of(report)) {
        any_tenant = true;
        tenants.add({number, pid, std::string(tenant.name.view()), std::to_string(tenant.version),
                     std::string(tenant.incarnation.view()), tenant.current != 0 ? "yes" : "asked for anew"});
      }
    }
    if (any) {
      out << "\n";
      copies.print(out);
    }
    if (any_tenant) {
      out << "\n";
      tenants.print(out);
    }
  }

  void print_issuers(std::ostream& out) const {
    Table table({"WORKER", "PID", "ISSUER", "KEYS", "AGE"});
    bool any = false;
    for (const Told* told : processes_)
      for (const auto& issuer : issuers_of(told->report)) {
        any = true;
        table.add(
            {std::to_string(told->report.process.number), std::to_string(told->report.process.pid),
             std::string(issuer.name.view()), issuer.usable != 0 ? "usable" : std::string(issuer.fault.view()),
             issuer.fetched == 0 ? "-" : span_text(age(reading_.now.time_since_epoch().count(), issuer.fetched))});
      }
    if (any) {
      out << "\n";
      table.print(out);
    }
  }

  void print_sealers(std::ostream& out) const {
    Table table(
        {"AUDIT SEALER", "STATE", "SINCE", "SEGMENTS", "SLOTS IN USE", "FULLEST", "LINES", "LAST SEALED", "LOG"});
    bool any = false;
    for (const Told* told : processes_) {
      const auto& journal = told->report.journal;
      if (told->report.process.kind != Kind::sealer) continue;
      any = true;
      table.add({std::to_string(told->report.process.pid), std::string(state_text(*told, draining(*told))),
                 time_text(told->report.process.since), std::to_string(journal.segments),
                 std::to_string(journal.used) + " of " + std::to_string(journal.slots),
                 std::to_string(percent(journal)) + " %", std::to_string(journal.lines), time_text(journal.sealed),
                 journal.written != 0 ? "good" : "can't be written"});
    }
    if (any) {
      out << "\n";
      table.print(out);
    }
  }

  std::int32_t master_;
  const Reading& reading_;
  std::vector<const Told*> processes_;
  std::uint64_t newest_ = 0;
  const Told* newest_process_ = nullptr;
  std::uint32_t workers_ = 0;
  std::uint32_t sealers_ = 0;
};

}  // namespace

int print_status(const Reading& reading, const std::string& place, bool json, std::ostream& out) {
  std::map<std::int32_t, Server> servers;
  bool alive = false;
  for (const Told& told : reading.processes) {
    servers.try_emplace(told.report.process.master, told.report.process.master, reading);
    alive = alive || (told.report.process.kind == Kind::worker && told.life != Told::Life::dead);
  }
  Findings wrong;
  Findings notes;
  if (!alive)
    wrong.add("no worker tells of itself in " + place +
              ": nginx doesn't run, or has no governed location, or another agent_state");
  if (reading.strange > 0)
    wrong.add(std::to_string(reading.strange) + " processes are of another version of the module: use its agwctl");
  const bool served =
      std::any_of(servers.begin(), servers.end(), [](const auto& entry) { return entry.second.serves(); });
  for (const auto& [master, server] : servers) server.judge(served, wrong, notes);
  const auto faults = wrong.sentences();
  const auto remarks = notes.sentences();
  if (json) {
    std::vector<std::string> all;
    all.reserve(servers.size());
    for (const auto& [master, server] : servers) all.push_back(server.json());
    JsonObject object;
    object.flag("ok", faults.empty()).list("wrong", faults).list("notes", remarks).raw("servers", json_array(all));
    out << object.str() << "\n";
  } else {
    for (const auto& [master, server] : servers) {
      server.print(out);
      out << "\n";
    }
    for (const auto& note : remarks) out << "note: " << printable(note) << "\n";
    for (const auto& fault : faults) out << "wrong: " << printable(fault) << "\n";
    if (faults.empty()) out << "all is well\n";
  }
  return faults.empty() ? exit_ok : exit_failed;
}

}  // namespace agw::agwctl
