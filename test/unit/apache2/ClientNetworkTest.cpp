#include "apache2/request/ClientNetwork.h"

#include <arpa/inet.h>
#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <string>

namespace Passenger {

class ClientNetworkTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ClientNetworkTest);
    CPPUNIT_TEST(testAnIpv4AddressIsAClient);
    CPPUNIT_TEST(testAnIpv6NetworkIsAClient);
    CPPUNIT_TEST(testAnIpv4AddressInTheFormOfIpv6IsTheSameClient);
    CPPUNIT_TEST_SUITE_END();

    static std::string networkOf(const char *text) {
        char bytes[16];
        const bool isIpv6 = std::string(text).find(':') != std::string::npos;
        CPPUNIT_ASSERT_EQUAL(1, ::inet_pton(isIpv6 ? AF_INET6 : AF_INET, text, bytes));
        return std::string(clientNetwork({bytes, isIpv6 ? 16U : 4U}));
    }

public:
    void testAnIpv4AddressIsAClient() {
        CPPUNIT_ASSERT_EQUAL(std::string("\xc0\x00\x02\x01", 4), networkOf("192.0.2.1"));
        CPPUNIT_ASSERT(networkOf("192.0.2.1") != networkOf("192.0.2.2"));
    }

    void testAnIpv6NetworkIsAClient() {
        CPPUNIT_ASSERT_EQUAL(networkOf("2001:db8:1:2::1"), networkOf("2001:db8:1:2:ffff::9"));
        CPPUNIT_ASSERT(networkOf("2001:db8:1:2::1") != networkOf("2001:db8:1:3::1"));
    }

    void testAnIpv4AddressInTheFormOfIpv6IsTheSameClient() {
        CPPUNIT_ASSERT_EQUAL(networkOf("192.0.2.1"), networkOf("::ffff:192.0.2.1"));
        CPPUNIT_ASSERT_EQUAL(networkOf("192.0.2.1"), networkOf("64:ff9b::192.0.2.1"));
        CPPUNIT_ASSERT_EQUAL(networkOf("64:ff9b:1:1::1"), networkOf("64:ff9b:1:1::2"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClientNetworkTest);

}  // namespace Passenger
