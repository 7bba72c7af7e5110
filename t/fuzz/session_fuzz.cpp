// Session ids, states and tasks as strangers send them, and what backends call their own.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/gateway/sessions.h"
#include "agw/gateway/states.h"
#include "agw/gateway/tasks.h"
#include "agw/json/document.h"

#include "support/claims.h"
#include "support/heap_memory.h"

namespace {

using namespace agw;
using fuzz::expect;

class CountingRandom final : public Random {
 public:
  void fill(unsigned char* out, std::size_t size) override { std::fill_n(out, size, ++next_); }

 private:
  unsigned char next_ = 0;
};

const SealKeys& keys() {
  static const SealKeys made = [] {
    std::vector<Secret> files;
    files.emplace_back(std::string(32, 'a'));
    files.emplace_back(std::string(32, 'b'));
    return SealKeys(files, "fuzz");
  }();
  return made;
}

Principal owner() {
  Principal out;
  out.issuer_url = "https://as.example";
  out.user = "company|mira";
  out.agent = "company|docs";
  out.tenant = "default";
  return out;
}

void check_foreign(std::string_view input, gateway::Sessions& sessions, const gateway::Location& location) {
  const auto opened = sessions.open(input, owner(), location);
  expect(!opened && opened.error() == Reason::session_unknown, "nobody opens what wasn't sealed");
  // What a key of ours has sealed, but as something else.
  CountingRandom random;
  const std::string other = base64url_encode(keys().seal(input, "something else", random));
  expect(!sessions.open(other, owner(), location), "what was sealed for another use is no session");
  // Whatever stands inside, reading it ends in a session or in none.
  const std::string same = base64url_encode(keys().seal(input, "mcp session 1", random));
  static_cast<void>(sessions.open(same, owner(), location));
}

void check_own(std::string_view input, gateway::Sessions& sessions, const gateway::Location& location) {
  const std::size_t cut = std::min<std::size_t>(input.size(), 12);
  gateway::Session session;
  session.version = input.substr(0, cut);
  session.backend_id = input.substr(cut);
  session.capabilities = static_cast<mcp::ClientCapabilities>(input.size() * 257);
  const std::string sealed = sessions.seal(session, owner(), location);
  const bool visible = std::ranges::all_of(session.backend_id, [](char c) { return c > 0x20 && c < 0x7f; });
  expect(sealed.empty() == (session.backend_id.empty() || !visible ||
                            session.backend_id.size() > gateway::Sessions::longest_backend_id),
         "what can be a session id is sealed, and nothing else");
  gateway::Session made = session;
  made.backend_id.clear();
  const auto own = sessions.open(sessions.make(made, owner(), location), owner(), location);
  expect(own && (*own)->backend_id.empty() && (*own)->version == session.version, "one that the gateway has made, too");
  if (sealed.empty()) return;
  expect(sealed.size() <= 2048, "a client's request may carry it");
  const auto opened = sessions.open(sealed, owner(), location);
  expect(opened && (*opened)->backend_id == session.backend_id && (*opened)->version == session.version &&
             (*opened)->capabilities == session.capabilities,
         "its owner finds what was sealed");
  Principal other = owner();
  other.user += 'x';
  const auto foreign = sessions.open(sealed, other, location);
  expect(!foreign && foreign.error() == Reason::session_foreign, "and nobody else");
}

class FixedClock final : public Clock {
 public:
  [[nodiscard]] WallTime now() const noexcept override { return WallTime(Milliseconds(1'800'000'000'000)); }
  [[nodiscard]] SteadyTime steady() const noexcept override { return {}; }
};

void check_state(std::string_view input) {
  CountingRandom random;
  FixedClock clock;
  const gateway::States states(keys(), clock, random);
  const Sha256 owner = sha256("owner");
  const Sha256 asked = gateway::asked_digest("tools/call", "ticket.read", input);
  expect(!states.open(input, owner, asked), "nobody opens what wasn't sealed");
  const std::string sealed = states.seal(input, owner, asked);
  expect(states.open(sealed, owner, asked) == std::string(input), "a state comes back as it was");
  const auto foreign = states.open(sealed, asked, asked);
  expect(!foreign && foreign.error() == Reason::state_foreign, "to its owner alone");
  const auto mismatch = states.open(sealed, owner, owner);
  expect(!mismatch && mismatch.error() == Reason::state_mismatch, "and for its call alone");
  // Whatever stands inside, reading it ends in a state or in none.
  static_cast<void>(states.open(base64url_encode(keys().seal(input, "mcp state 1", random)), owner, asked));
}

void check_task(std::string_view input, const gateway::Location& location) {
  CountingRandom random;
  test::HeapMemory memory;
  const gateway::Tasks tasks(keys(), random, memory);
  const auto foreign = tasks.open(input, owner(), location);
  expect(!foreign && foreign.error() == Reason::task_unknown, "nobody opens what wasn't sealed");
  expect(!tasks.known(input, owner(), location), "nor knows what wasn't made");
  // Whatever stands inside, reading it ends in a task that has an id and a tool, or in none.
  const auto read = tasks.open(base64url_encode(keys().seal(input, "mcp task 1", random)), owner(), location);
  if (read) expect(!(*read)->backend_id.empty() && !(*read)->tool.empty(), "a task has an id and a tool");
  gateway::MadeTask task;
  task.backend_id = input;
  task.tool = "ticket.read";
  task.arguments = std::string(input.substr(0, gateway::MadeTask::longest_arguments));
  const std::string sealed = tasks.seal(task, owner(), location);
  if (sealed.empty())
    return expect(input.empty() || input.size() > gateway::MadeTask::longest_backend_id, "a good id is sealed");
  const auto own = tasks.open(sealed, owner(), location);
  expect(own && (*own)->backend_id == input && (*own)->arguments == task.arguments, "a task comes back as it was");
  tasks.remember(sealed, task, owner(), location);
  const auto known = tasks.known(input, owner(), location);
  expect(known ? known->sealed == sealed : sealed.size() > 996, "by the backend's id, too");
  Principal other = owner();
  other.agent = "company|other";
  const auto theirs = tasks.open(sealed, other, location);
  expect(!theirs && theirs.error() == Reason::task_foreign, "to its owner alone");
  expect(!tasks.known(input, other, location), "either way");
}

void check_capabilities(std::string_view input) {
  json::Document document;
  const auto root = document.read(input, {});
  if (root) expect(mcp::client_capabilities(*root) < 64, "only known capabilities are carried");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  CountingRandom random;
  gateway::Sessions sessions(keys(), random, 4);
  gateway::Location location;
  location.name_space = "tickets";
  switch (data[0] % 8) {
    case 0: check_foreign(input, sessions, location); break;
    case 1: check_own(input, sessions, location); break;
    case 2: check_state(input); break;
    case 4: check_task(input, location); break;
    default: check_capabilities(input); break;
  }
  return 0;
}
