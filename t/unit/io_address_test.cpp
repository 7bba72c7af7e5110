#include <gtest/gtest.h>

#include "agw/io/address.h"

namespace agw {
namespace {

struct Case {
  const char* address;
  bool configured;
  bool discovered;
};

class AddressRules : public testing::TestWithParam<Case> {};

TEST_P(AddressRules, judges) {
  const auto address = IpAddress::parse(GetParam().address);
  ASSERT_TRUE(address) << GetParam().address;
  EXPECT_EQ(address_allowed(AddressRule::configured, *address), GetParam().configured) << GetParam().address;
  EXPECT_EQ(address_allowed(AddressRule::discovered, *address), GetParam().discovered) << GetParam().address;
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, AddressRules,
    testing::Values(Case{"93.184.216.34", true, true}, Case{"127.0.0.1", true, false}, Case{"127.255.1.2", true, false},
                    Case{"10.0.0.1", true, false}, Case{"172.15.0.1", true, true}, Case{"172.16.0.1", true, false},
                    Case{"172.31.255.255", true, false}, Case{"172.32.0.1", true, true},
                    Case{"192.168.1.1", true, false}, Case{"100.64.0.1", true, false}, Case{"100.128.0.1", true, true},
                    Case{"198.18.0.1", true, false}, Case{"192.0.2.7", true, false}, Case{"203.0.113.7", true, false},
                    Case{"0.0.0.0", false, false}, Case{"0.1.2.3", false, false}, Case{"169.254.1.1", false, false},
                    Case{"169.254.169.254", false, false}, Case{"100.100.100.200", false, false},
                    Case{"168.63.129.16", false, false}, Case{"224.0.0.1", false, false},
                    Case{"239.1.2.3", false, false}, Case{"255.255.255.255", false, false},
                    Case{"240.0.0.1", false, false}, Case{"2606:2800:220:1::1", true, true}, Case{"::", false, false},
                    Case{"::1", true, false}, Case{"fe80::1", false, false}, Case{"febf::1", false, false},
                    Case{"ff02::1", false, false}, Case{"fc00::1", true, false}, Case{"fd00:ec2::254", false, false},
                    Case{"fd20:ce::254", false, false}, Case{"fd00::1", true, false}, Case{"fec0::1", true, false},
                    Case{"2001:db8::1", true, false}, Case{"2001::1", true, false}, Case{"3fff::1", true, false},
                    Case{"4000::1", true, false}, Case{"100::1", true, false},
                    // IPv4 inside IPv6
                    Case{"::ffff:127.0.0.1", true, false}, Case{"::ffff:169.254.169.254", false, false},
                    Case{"::ffff:93.184.216.34", true, true}, Case{"::ffff:0:169.254.169.254", false, false},
                    Case{"::169.254.169.254", false, false}, Case{"::10.0.0.1", true, false},
                    Case{"64:ff9b::169.254.169.254", false, false}, Case{"64:ff9b::10.0.0.1", true, false},
                    Case{"64:ff9b::93.184.216.34", true, true}, Case{"64:ff9b:1::93.184.216.34", true, false},
                    Case{"64:ff9b:1::169.254.169.254", false, false}, Case{"2002:a9fe:a9fe::1", false, false},
                    Case{"2002:0a00:0001::1", true, false}, Case{"2002:5db8:d822::1", true, true},
                    Case{"2606:2800::5efe:169.254.169.254", false, false},
                    Case{"2606:2800::200:5efe:10.0.0.1", true, false}));

TEST(IpAddress, reads_only_plain_addresses) {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.4 ", "[::1]", "fe80::1%eth0", "01.2.3.4"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
  EXPECT_EQ(IpAddress::parse("2001:DB8::0001")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("10.1.2.3")->text(), "10.1.2.3");
}

}  // namespace
}  // namespace agw
