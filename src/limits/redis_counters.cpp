#include "agw/limits/redis_counters.h"

#include <algorithm>

#include "agw/io/key_types.h"
#include "agw/limits/counter.h"

#include "script.h"

namespace agw::limits {
namespace {

constexpr std::size_t numbers_before = 3;
constexpr std::size_t numbers_each = 3;

void append_counter(std::vector<std::string>& arguments, const policy::Charge& charge) {
  const Limit& limit = *charge.limit;
  const bool month = limit.period == LimitPeriod::month;
  const std::int64_t period = length_of(limit.period);
  const bool bucket = limit.kind == LimitKind::bucket;
  const std::int64_t wanted = bucket ? charge.amount * period : charge.amount;
  const std::int64_t needed = limit.unit == LimitUnit::bytes ? 1 : wanted;
  arguments.emplace_back(bucket ? "b" : limit.kind == LimitKind::window ? "w" : "c");
  arguments.push_back(std::to_string(limit.amount));
  arguments.push_back(std::to_string(month ? 0 : period));
  arguments.push_back(std::to_string(bucket ? limit.burst * period : 0));
  arguments.push_back(std::to_string(limit.queue.count() * limit.amount));
  arguments.push_back(std::to_string(wanted));
  arguments.push_back(std::to_string(needed));
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

RedisCounters::RedisCounters(Redis& redis, Log& log) : redis_(redis), complaints_(log), take_(take_script) {}

std::string RedisCounters::key_of(const policy::Charge& charge) {
  return "agw:v:{" + charge.tenant + "}:limit:" + charge.key;
}

Task<Result<RedisCounters::Numbers, std::string>> RedisCounters::run(std::vector<policy::Charge> charges,
                                                                     std::uint64_t hold, Milliseconds lease,
                                                                     Mode mode) {
  std::vector<std::string> keys;
  keys.reserve(charges.size());
  for (const auto& charge : charges) keys.push_back(key_of(charge));
  std::vector<std::string> arguments{std::to_string(hold), std::to_string(lease.count()),
                                     mode == Mode::settled ? "1" : "0"};
  for (const auto& charge : charges) append_counter(arguments, charge);
  auto running = take_.run(redis_, std::move(keys), std::move(arguments));
  const auto reply = co_await std::move(running);
  if (!reply && reply.error() == RedisScript::wrong_type) {
    auto complaining = complain(charges);
    co_await std::move(complaining);
    co_return fail(std::string());
  }
  if (!reply) co_return fail(reply.error());
  Numbers out;
  for (const auto& element : reply->elements)
    if (element.type == RedisReply::Type::integer) out.push_back(element.integer);
  if (out.size() != numbers_before + charges.size() * numbers_each)
    co_return fail(std::string("an answer of another form"));
  if (complaints_.any())
    for (const auto& charge : charges) complaints_.whole(key_of(charge));
  co_return out;
}

/// Which of the keys isn't what it should be.
Task<void> RedisCounters::complain(const std::vector<policy::Charge>& charges) {
  std::vector<TypedKey> keys;
  keys.reserve(charges.size());
  for (const auto& charge : charges)
    keys.push_back({key_of(charge), charge.limit->kind == LimitKind::concurrent ? "zset" : "hash"});
  return complain_of_types(redis_, complaints_, std::move(keys), "calls that it limits are denied");
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
