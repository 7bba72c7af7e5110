#include "agw/audit/verify.h"

#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "agw/audit/chain.h"
#include "agw/base/encoding.h"
#include "agw/json/document.h"

namespace agw::audit {
namespace {

/// Longer lines were never written.
constexpr std::size_t max_line = 1U << 20;
/// Keys are followed this far: a forged step must not keep anybody busy.
constexpr std::uint64_t max_steps = 1U << 26;
constexpr std::uint64_t none = ~std::uint64_t{1};

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

struct Verifier::State {
  State(const std::vector<Secret>& given, Options chosen) : options(chosen) {
    for (const Secret& key : given) keys.emplace(key_id(key.reveal()), &key);
  }

  struct Chain {
    std::uint64_t first = 1;  ///< the first number in these files
    std::uint64_t next = 1;   ///< the number that must follow
    std::uint64_t late = none;  ///< the last number, if it came too late
    bool known = false;       ///< whether `mac` is that of line next - 1
    Sha256 mac{};
    std::string key;
    bool keyed = false;
    ChainKey current{};
    std::uint64_t step = 0;
    bool closed = false;
    std::set<std::uint64_t> missing;  ///< numbers that were jumped over, a few of them
    std::string file;         ///< of the last line
    std::uint64_t line = 0;
  };

  /// A chain's end as the one after it tells.
  struct End {
    std::uint64_t seq = 0;
    std::string mac;
    std::string file;
    std::uint64_t line = 0;
  };

  void find(std::string what) { findings.push_back({file, line, std::move(what)}); }
  void take(const std::string& text);
  void take_record(std::string_view chain_name, Chain& chain, const json::Value& event);
  bool check_number(std::string_view name, Chain& chain, const LineTail& tail, bool first);
  void check_mac(Chain& chain, const LineTail& tail, std::string_view text, bool first);
  bool follow_key(Chain& chain, const LineTail& tail);

  Options options;
  std::map<std::string, const Secret*, std::less<>> keys;
  LineMac mac;
  json::Document document;
  std::map<std::string, Chain, std::less<>> chains;
  std::map<std::string, End, std::less<>> ends;
  std::vector<Finding> findings;
  std::vector<std::string> notes;
  std::string file;
  std::uint64_t line = 0;
  std::uint64_t lines = 0;
};

Verifier::Verifier(const std::vector<Secret>& keys, Options options) : state_(std::make_unique<State>(keys, options)) {}

Verifier::~Verifier() = default;

const std::vector<Finding>& Verifier::findings() const noexcept { return state_->findings; }
const std::vector<std::string>& Verifier::notes() const noexcept { return state_->notes; }
std::uint64_t Verifier::lines() const noexcept { return state_->lines; }
std::uint64_t Verifier::chains() const noexcept { return state_->chains.size(); }

void Verifier::read(const std::string& name, std::istream& in) {
  State& state = *state_;
  state.file = name;
  state.line = 0;
  std::string text;
  bool skipping = false;
  const auto end_line = [&] {
    ++state.line;
    if (!std::exchange(skipping, false)) state.take(text);
    text.clear();
  };
  std::string piece(64U * 1024, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
    std::string_view rest(piece.data(), static_cast<std::size_t>(in.gcount()));
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      if (!skipping) text += rest.substr(0, end);
      if (text.size() > max_line) {
        state.line += 1;
        state.find("longer than any line that is written");
        state.line -= 1;
        skipping = true;
        text.clear();
      }
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
      end_line();
    }
  }
  if (text.empty() && !skipping) return;
  ++state.line;
  state.find("the last line is cut: it has no end");
}

void Verifier::State::take(const std::string& text) {
  ++lines;
  const auto event = document.read(text, {});
  if (!event || !event->is(json::Kind::object)) return find("not a line of JSON: damaged, or inserted");
  const auto tail = parse_tail(text);
  if (!tail) return find("belongs to no chain: inserted");
  const auto [entry, first] = chains.try_emplace(std::string(tail->chain));
  Chain& chain = entry->second;
  if (check_number(tail->chain, chain, *tail, first)) {
    check_mac(chain, *tail, text, first);
    take_record(tail->chain, chain, *event);
  }
  chain.file = file;
  chain.line = line;
}

/// Whether the line is the newest of its chain.
bool Verifier::State::check_number(std::string_view name, Chain& chain, const LineTail& tail, bool first) {
  const std::string here = "chain " + std::string(name) + ": ";
  if (first) {
    if (tail.seq != 1) {
      const std::string words =
          here + "begins with number " + number(tail.seq) + "; what was before isn't in these files";
      options.whole ? find(words) : notes.push_back(words);
    }
    chain.first = tail.seq;
    chain.next = tail.seq + 1;
    chain.known = tail.seq == 1;  // nothing was before it: the MAC starts from zeros
    return true;
  }
  if (tail.seq < chain.next) {
    // A run of late lines is one finding.
    const bool goes_on = tail.seq == std::exchange(chain.late, tail.seq) + 1;
    const bool late = chain.missing.erase(tail.seq) > 0 || tail.seq < chain.first;
    if (!goes_on)
      find(here + "number " + number(tail.seq) +
           (late ? " comes too late: reordered (are the files in their order?)" : " is there twice: inserted"));
    return false;
  }
  chain.late = none;
  if (chain.closed) find(here + "goes on after its closing record");
  chain.closed = false;
  if (tail.seq > chain.next) {
    const bool one = tail.seq == chain.next + 1;
    find(here +
         (one ? "number " + number(chain.next) + " is"
              : "numbers " + number(chain.next) + " to " + number(tail.seq - 1) + " are") +
         " not before this line: removed or reordered");
    for (std::uint64_t seq = chain.next; seq < tail.seq && chain.missing.size() < 10'000; ++seq)
      chain.missing.insert(seq);
    chain.known = false;
  }
  chain.next = tail.seq + 1;
  return true;
}

/// Brings the chain's key to the line's step. False: it can't be had.
bool Verifier::State::follow_key(Chain& chain, const LineTail& tail) {
  if (!chain.keyed) {
    const auto root = keys.find(tail.key);
    if (root == keys.end()) {
      find("signed with the key " + std::string(tail.key) + ", which isn't among the given ones");
      return false;
    }
    chain.key = tail.key;
    chain.keyed = true;
    chain.current = first_key(root->second->reveal(), tail.chain);
    chain.step = 0;
  }
  if (chain.key != tail.key) {
    find("names another key than its chain: changed");
    return false;
  }
  // Each batch has at least one line.
  if (tail.step < chain.step || tail.step >= tail.seq || tail.step - chain.step > max_steps) {
    find("names a step of the key that can't be: changed");
    return false;
  }
  for (; chain.step < tail.step; ++chain.step) chain.current = next_key(chain.current);
  return true;
}

void Verifier::State::check_mac(Chain& chain, const LineTail& tail, std::string_view text, bool first) {
  if (tail.key.empty()) {
    if (chain.keyed) find("has lost its MAC: changed");
    if (!chain.keyed && !options.unkeyed && first)
      find("chain " + std::string(tail.chain) + " has no MACs: nothing vouches for it");
    chain.known = false;
    return;
  }
  if (!follow_key(chain, tail)) {
    chain.known = false;
    return;
  }
  if (chain.known) {
    mac.set_key(chain.current);
    const Sha256 expected = mac.of(chain.mac, text.substr(0, tail.signed_size));
    const auto bytes = [](const Sha256& digest) {
      return std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size());
    };
    if (!equal_constant_time(bytes(expected), bytes(tail.mac)))
      find("its MAC is wrong: changed, or the line before was");
  }
  // The next line is tied to what this one says, so that one change is found once.
  chain.mac = tail.mac;
  chain.known = true;
}

void Verifier::State::take_record(std::string_view chain_name, Chain& chain, const json::Value& event) {
  const auto type = event.member("type");
  if (!type || !type->is(json::Kind::string)) return;
  if (type->text() == "audit.close") chain.closed = true;
  if (type->text() != "audit.open") {
    if (chain.next == 2) find("chain " + std::string(chain_name) + " doesn't begin with its opening record: changed");
    return;
  }
  if (chain.next != 2) return find("an opening record in the middle of a chain: inserted");
  const auto detail = event.member("detail");
  if (!detail || !detail->is(json::Kind::string)) return;
  // `previous CHAIN SEQ [MAC]`
  std::string_view words = detail->text();
  constexpr std::string_view previous = "previous ";
  if (!words.starts_with(previous)) return;
  words.remove_prefix(previous.size());
  const std::size_t name_end = words.find(' ');
  if (name_end == std::string_view::npos) return;
  End end;
  const std::string_view rest = words.substr(name_end + 1);
  for (const char c : rest.substr(0, rest.find(' '))) {
    if (c < '0' || c > '9' || end.seq > (std::uint64_t{1} << 56U)) return;
    end.seq = end.seq * 10 + static_cast<unsigned>(c - '0');
  }
  if (const std::size_t space = rest.find(' '); space != std::string_view::npos) end.mac = rest.substr(space + 1);
  end.file = file;
  end.line = line;
  ends[std::string(words.substr(0, name_end))] = std::move(end);
}

void Verifier::finish() {
  State& state = *state_;
  for (const auto& [name, end] : state.ends) {
    const auto known = state.chains.find(name);
    if (known == state.chains.end()) {
      const std::string words = "chain " + name + ", which came before, isn't in these files";
      state.options.whole ? state.findings.push_back({end.file, end.line, words}) : state.notes.push_back(words);
      continue;
    }
    State::Chain& chain = known->second;
    const std::uint64_t last = chain.next - 1;
    const bool other_mac =
        chain.keyed && chain.known && last == end.seq &&
        base64url_encode({reinterpret_cast<const char*>(chain.mac.data()), chain.mac.size()}) != end.mac;
    if (last != end.seq || other_mac)
      state.findings.push_back({chain.file, chain.line,
                                "chain " + name + " ends here with number " + number(last) +
                                    ", but its successor says that it ended with " + number(end.seq) +
                                    ": lines were removed at its end"});
    chain.closed = true;
  }
  for (const auto& [name, chain] : state.chains) {
    if (chain.closed) continue;
    const std::string words = "chain " + name + " has no closing record after number " + number(chain.next - 1) +
                              "; it goes on elsewhere, or lines are missing";
    state.options.whole ? state.findings.push_back({chain.file, chain.line, words}) : state.notes.push_back(words);
  }
}

}  // namespace agw::audit
