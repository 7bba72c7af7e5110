// Windows and zones: the second of the end, nights, days that clocks are changed on, the leap day.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/model/window.h"

namespace agw {
namespace {

using testing::HasSubstr;

struct Case {
  const char* window;
  const char* time;
  bool open;
};

const Case cases[] = {
    // In winter Berlin is an hour ahead. 2026-11-30 is a Monday.
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-30T07:59:59.999Z", false},
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-30T08:00:00Z", true},
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-30T15:59:59.999Z", true},
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-30T16:00:00Z", false},
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-29T10:00:00Z", false},
    // In summer two.
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-07-01T07:00:00Z", true},
    {"Mon-Fri 09:00-17:00 Europe/Berlin", "2026-07-01T15:00:00Z", false},
    // A day lies where the zone says: Sunday evening in UTC is Monday in Tokyo.
    {"Mon 00:00-24:00 Asia/Tokyo", "2026-11-29T15:00:00Z", true},
    {"Mon 00:00-24:00 Asia/Tokyo", "2026-11-29T14:59:59Z", false},
    {"Mon 00:00-24:00 Asia/Tokyo", "2026-11-30T14:59:59.999Z", true},
    {"Mon 00:00-24:00 Asia/Tokyo", "2026-11-30T15:00:00Z", false},
    // A night belongs to the day on which it began.
    {"Fri 22:00-06:00 UTC", "2026-11-27T22:00:00Z", true},
    {"Fri 22:00-06:00 UTC", "2026-11-28T05:59:59Z", true},
    {"Fri 22:00-06:00 UTC", "2026-11-28T06:00:00Z", false},
    {"Fri 22:00-06:00 UTC", "2026-11-27T05:00:00Z", false},
    {"Fri 22:00-06:00 UTC", "2026-11-28T23:00:00Z", false},
    {"Sun 22:00-06:00 UTC", "2026-11-30T05:00:00Z", true},
    // Every day; a week that goes round; lists; seconds.
    {"09:00-17:00 UTC", "2026-11-29T09:00:00Z", true},
    {"Fri-Mon 00:00-24:00 UTC", "2026-11-29T12:00:00Z", true},
    {"Fri-Mon 00:00-24:00 UTC", "2026-12-01T12:00:00Z", false},
    {"Tue,Thu-Sat 00:00-24:00 UTC", "2026-12-02T12:00:00Z", false},
    {"Tue,Thu-Sat 00:00-24:00 UTC", "2026-12-03T12:00:00Z", true},
    {"12:00:00-12:00:01 UTC", "2026-12-03T12:00:00.999Z", true},
    {"12:00:00-12:00:01 UTC", "2026-12-03T12:00:01Z", false},
    // 2026-03-29, 02:00 becomes 03:00 in Berlin: there is no 02:30.
    {"02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59Z", false},
    {"02:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false},
    {"03:00-04:00 Europe/Berlin", "2026-03-29T01:00:00Z", true},
    // 2026-10-25, 03:00 becomes 02:00: 02:30 is there twice.
    {"02:00-03:00 Europe/Berlin", "2026-10-25T00:30:00Z", true},
    {"02:00-03:00 Europe/Berlin", "2026-10-25T01:30:00Z", true},
    {"02:00-03:00 Europe/Berlin", "2026-10-25T02:00:00Z", false},
    // The leap day is a Tuesday in 2028, and there is none in 2100.
    {"Tue 00:00-24:00 UTC", "2028-02-29T23:59:59Z", true},
    {"Wed 00:00-24:00 UTC", "2028-03-01T00:00:00Z", true},
    {"Mon 00:00-24:00 UTC", "2100-03-01T00:00:00Z", true},
    // After the last transition of the file its rule holds: summer of 2099, in both halves of the world.
    {"12:00-13:00 Europe/Berlin", "2099-07-01T10:30:00Z", true},
    {"12:00-13:00 Europe/Berlin", "2099-01-01T11:30:00Z", true},
    {"12:00-13:00 Australia/Sydney", "2099-01-01T01:30:00Z", true},
    {"12:00-13:00 Australia/Sydney", "2099-07-01T02:30:00Z", true},
    // Half hours, before 1970, and far away.
    {"05:30-06:00 Asia/Kolkata", "2026-11-30T00:00:00Z", true},
    {"Wed 23:00-24:00 UTC", "1969-12-31T23:59:59.999Z", true},
    {"00:00-01:00 UTC", "9999-12-31T00:30:00Z", true},
};

TEST(Window, is_open) {
  for (const Case& one : cases) {
    const auto window = Window::parse(one.window);
    ASSERT_TRUE(window) << one.window << ": " << window.error();
    EXPECT_EQ(window->contains(*parse_rfc3339(one.time)), one.open) << one.window << " at " << one.time;
    EXPECT_EQ(window->text(), one.window);
  }
}

TEST(Window, is_refused_with_what_to_write) {
  for (const char* text : {"",
                           "Mon-Fri",
                           "Mon-Fri 09:00-17:00",
                           "09:00-17:00",
                           "Mon 9:00-17:00 UTC",
                           "Mon 09:00 UTC",
                           "Mon 09:00-25:00 UTC",
                           "Mon 09:60-10:00 UTC",
                           "Mon 24:00-09:00 UTC",
                           "Mon 09:00-24:01 UTC",
                           "Mo 09:00-17:00 UTC",
                           "Mon- 09:00-17:00 UTC",
                           "Mon, 09:00-17:00 UTC",
                           "mon 09:00-17:00 UTC",
                           "Mon  09:00-17:00 UTC",
                           "Mon 09:00-17:00 UTC x",
                           "Mon 09:00-17:00 Mars/Base",
                           "Mon 09:00-17:00 ../UTC",
                           "Mon 09:00-17:00 /etc/localtime",
                           "Mon 09:00-17:00 Europe"}) {
    const auto window = Window::parse(text);
    ASSERT_FALSE(window) << text;
    EXPECT_THAT(window.error(), HasSubstr("Mon-Fri 09:00-17:00 Europe/Berlin")) << text;
  }
  EXPECT_THAT(Window::parse("Mon 09:00-09:00 UTC").error(), HasSubstr("00:00-24:00"));
}

TEST(Window, none_is_any_time_and_one_of_several_is_enough) {
  const WallTime noon = *parse_rfc3339("2026-11-30T12:00:00Z");
  EXPECT_TRUE(is_open({}, noon));
  const auto morning = *Window::parse("08:00-12:00 UTC");
  const auto afternoon = *Window::parse("12:00-18:00 UTC");
  EXPECT_FALSE(is_open({morning}, noon));
  EXPECT_TRUE(is_open({morning, afternoon}, noon));
}

// A clock that jumps is believed as it is: each moment has one answer, whatever was asked before.
TEST(Window, remembers_nothing) {
  const auto window = *Window::parse("09:00-17:00 UTC");
  const WallTime inside = *parse_rfc3339("2026-11-30T10:00:00Z");
  const WallTime after = *parse_rfc3339("2026-11-30T18:00:00Z");
  EXPECT_TRUE(window.contains(inside));
  EXPECT_FALSE(window.contains(after));
  EXPECT_TRUE(window.contains(inside));
}

/// A TZif file of version 2 without transitions: all of it is the rule.
std::string zone_file(const std::string& rule, const std::string& types = std::string(6, '\0')) {
  const auto header = [&] {
    std::string out = "TZif2" + std::string(15, '\0');
    for (const int count : {0, 0, 0, 0, static_cast<int>(types.size() / 6), 4})
      out += std::string{'\0', '\0', '\0', static_cast<char>(count)};
    return out + types + std::string("UTC\0", 4);
  };
  return header() + header() + "\n" + rule + "\n";
}

TEST(TimeZone, rules_are_read_in_every_form) {
  const auto offset = [](const std::string& rule, const char* time) {
    const auto zone = TimeZone::parse("test", zone_file(rule));
    EXPECT_TRUE(zone) << rule;
    return zone ? zone->offset(*parse_rfc3339(time)) : -1;
  };
  EXPECT_EQ(offset("UTC0", "2026-07-01T00:00:00Z"), 0);
  EXPECT_EQ(offset("EST5", "2026-07-01T00:00:00Z"), -5 * 3600);
  EXPECT_EQ(offset("<+0530>-5:30", "2026-07-01T00:00:00Z"), 19'800);
  EXPECT_EQ(offset("EST5EDT,M3.2.0,M11.1.0", "2026-07-01T00:00:00Z"), -4 * 3600);
  EXPECT_EQ(offset("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z"), -5 * 3600);
  EXPECT_EQ(offset("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z"), -4 * 3600);
  EXPECT_EQ(offset("EST5EDT,M3.2.0,M11.1.0", "2026-11-01T05:59:59Z"), -4 * 3600);
  EXPECT_EQ(offset("EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z"), -5 * 3600);
  // The 60th day is the first of March in every year with J, and the leap day without it.
  EXPECT_EQ(offset("AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z"), 3600);
  EXPECT_EQ(offset("AAA0BBB,J60/0,J300/0", "2028-02-29T23:59:59Z"), 0);
  EXPECT_EQ(offset("AAA0BBB,59/0,300/0", "2028-02-29T00:00:00Z"), 3600);
  // RFC 8536: hours beyond the day, before and after it.
  EXPECT_EQ(offset("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z"), -3600);
  EXPECT_EQ(offset("IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-27T00:00:00Z"), 3 * 3600);
}

TEST(TimeZone, what_is_no_zone_is_refused) {
  for (const char* rule : {"A0", "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0",
                           "EST5EDT,M3.6.0,M11.1.0", "EST5EDT,J0,J5", "EST999", "<EST5", "EST5EDT,M3.2.0,M11.1.0x"})
    EXPECT_FALSE(TimeZone::parse("test", zone_file(rule))) << rule;
  const std::string good = zone_file("UTC0");
  ASSERT_TRUE(TimeZone::parse("test", good));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(TimeZone::parse("test", good.substr(0, size)));
  EXPECT_FALSE(TimeZone::parse("test", "TZfi" + good.substr(4)));
  EXPECT_FALSE(TimeZone::parse("test", zone_file("UTC0", std::string("\x7F\0\0\0\0\0", 6))));
}

TEST(TimeZone, is_read_once_and_shared) {
  const auto berlin = TimeZone::find("Europe/Berlin");
  ASSERT_NE(berlin, nullptr);
  EXPECT_EQ(berlin, TimeZone::find("Europe/Berlin"));
  EXPECT_EQ(berlin->name(), "Europe/Berlin");
  for (const char* name : {"", "/UTC", "Europe/", "Europe//Berlin", "../zoneinfo/UTC", "Europe/Berlin\n", "zone.tab"})
    EXPECT_EQ(TimeZone::find(name), nullptr) << name;
}

}  // namespace
}  // namespace agw
