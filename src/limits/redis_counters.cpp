#include "agw/limits/redis_counters.h"

#include <algorithm>
#include <array>

#include <openssl/evp.h>

#include "agw/limits/counter.h"

#include "script.h"

namespace agw::limits {
namespace {

constexpr std::size_t numbers_before = 3;
constexpr std::size_t numbers_each = 3;

/// Redis names scripts by their SHA-1.
std::string sha1_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) return {};
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += hex[digest[i] >> 4U];
    out += hex[digest[i] & 15U];
  }
  return out;
}

void append_counter(RedisCommand& command, const policy::Charge& charge) {
  const Limit& limit = *charge.limit;
  const bool month = limit.period == LimitPeriod::month;
  const std::int64_t period = length_of(limit.period);
  const bool bucket = limit.kind == LimitKind::bucket;
  const std::int64_t wanted = bucket ? charge.amount * period : charge.amount;
  const std::int64_t needed = limit.unit == LimitUnit::bytes ? 1 : wanted;
  command.emplace_back(bucket ? "b" : limit.kind == LimitKind::window ? "w" : "c");
  command.push_back(std::to_string(limit.amount));
  command.push_back(std::to_string(month ? 0 : period));
  command.push_back(std::to_string(bucket ? limit.burst * period : 0));
  command.push_back(std::to_string(limit.queue.count() * limit.amount));
  command.push_back(std::to_string(wanted));
  command.push_back(std::to_string(needed));
}

std::vector<Standing> standings_of(const std::vector<policy::Charge>& charges, const std::vector<std::int64_t>& numbers,
                                   bool taken) {
  std::vector<Standing> out(charges.size());
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const std::int64_t* own = &numbers[numbers_before + i * numbers_each];
    out[i].remaining = own[0];
    out[i].reset = Milliseconds(own[1]);
    if (taken) out[i].crossed = crossed(*charges[i].limit, own[2], own[2] + charges[i].amount);
  }
  return out;
}

}  // namespace

RedisCounters::RedisCounters(Redis& redis, Log& log)
    : redis_(redis), complaints_(log), digest_(sha1_hex(take_script)) {}

std::string RedisCounters::key_of(const policy::Charge& charge) {
  return "agw:v:{" + charge.tenant + "}:limit:" + charge.key;
}

Task<Result<RedisCounters::Numbers, std::string>> RedisCounters::run(std::vector<policy::Charge> charges,
                                                                     std::uint64_t hold, Milliseconds lease,
                                                                     Mode mode) {
  RedisCommand command{"EVALSHA", digest_, std::to_string(charges.size())};
  for (const auto& charge : charges) command.push_back(key_of(charge));
  command.push_back(std::to_string(hold));
  command.push_back(std::to_string(lease.count()));
  command.emplace_back(mode == Mode::settled ? "1" : "0");
  for (const auto& charge : charges) append_counter(command, charge);

  for (int attempt = 0; attempt < 2; ++attempt) {
    auto sent = redis_.pipeline({command});
    auto replies = co_await std::move(sent);
    if (!replies) co_return fail(std::string(to_string(replies.error())));
    const RedisReply& reply = replies->front();
    // A restarted Redis doesn't know the script: nothing was run, so that it can be sent as a whole.
    if (attempt == 0 && reply.type == RedisReply::Type::error && reply.text.starts_with("NOSCRIPT")) {
      command[0] = "EVAL";
      command[1] = take_script;
      continue;
    }
    if (reply.type == RedisReply::Type::error && reply.text.find("WRONGTYPE") != std::string::npos) {
      auto complaining = complain(std::move(charges));
      co_await std::move(complaining);
      co_return fail(std::string());
    }
    if (reply.type == RedisReply::Type::error) co_return fail(reply.text.substr(0, reply.text.find(' ')));
    Numbers out;
    for (const auto& element : reply.elements)
      if (element.type == RedisReply::Type::integer) out.push_back(element.integer);
    if (out.size() != numbers_before + charges.size() * numbers_each) break;
    if (complaints_.any())
      for (const auto& charge : charges) complaints_.whole(key_of(charge));
    co_return out;
  }
  co_return fail(std::string("an answer of another form"));
}

/// Which of the keys isn't what it should be.
Task<void> RedisCounters::complain(std::vector<policy::Charge> charges) {
  std::vector<RedisCommand> questions;
  questions.reserve(charges.size());
  for (const auto& charge : charges) questions.push_back({"TYPE", key_of(charge)});
  auto asking = redis_.pipeline(std::move(questions));
  const auto types = co_await std::move(asking);
  if (!types || types->size() != charges.size()) co_return;
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const std::string_view wanted = charges[i].limit->kind == LimitKind::concurrent ? "zset" : "hash";
    const std::string& type = (*types)[i].text;
    if (type == wanted || type == "none") continue;
    const std::string key = key_of(charges[i]);
    complaints_.broken(key, "key " + key + ": is not a " + std::string(wanted), "calls that it limits are denied");
  }
}

Task<Outcome> RedisCounters::take(std::vector<policy::Charge> charges, std::uint64_t hold, Milliseconds lease,
                                  std::string& detail) {
  Outcome out;
  auto running = run(charges, hold, lease, Mode::asked);
  const auto numbers = co_await std::move(running);
  if (!numbers) {
    detail = numbers.error();
    co_return out;
  }
  const bool taken = numbers->at(0) == 1;
  const auto index = static_cast<std::size_t>(numbers->at(1));
  if (!taken && index >= charges.size()) co_return out;
  out.kind = taken ? Taking::taken : Taking::refused;
  out.refused_by = index;
  out.wait = Milliseconds(numbers->at(2));
  out.standings = standings_of(charges, *numbers, taken);
  co_return out;
}

Task<std::vector<Standing>> RedisCounters::settle(std::vector<policy::Charge> charges) {
  auto running = run(charges, 0, Milliseconds(0), Mode::settled);
  const auto numbers = co_await std::move(running);
  if (!numbers) co_return std::vector<Standing>();
  co_return standings_of(charges, *numbers, true);
}

Task<void> RedisCounters::give_back(std::vector<policy::Charge> charges, std::uint64_t hold) {
  std::vector<RedisCommand> commands;
  for (const auto& charge : charges)
    if (charge.limit->kind == LimitKind::concurrent) commands.push_back({"ZREM", key_of(charge), std::to_string(hold)});
  // Where Redis doesn't answer the lease runs out by itself.
  auto sent = redis_.pipeline(std::move(commands));
  static_cast<void>(co_await std::move(sent));
}

Task<void> RedisCounters::renew(std::vector<Held> held, Milliseconds lease) {
  std::vector<RedisCommand> commands;
  commands.reserve(held.size());
  for (const auto& one : held)
    commands.push_back(
        {"EVAL", std::string(renew_script), "1", one.key, std::to_string(one.hold), std::to_string(lease.count())});
  auto sent = redis_.pipeline(std::move(commands));
  static_cast<void>(co_await std::move(sent));
}

}  // namespace agw::limits
