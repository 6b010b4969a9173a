#include "standalone/ListenAddress.h"

#include <cppunit/extensions/HelperMacros.h>

#include <stdexcept>
#include <string>
#include <tuple>

#include "support/Expect.h"

namespace Passenger {

class ListenAddressTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ListenAddressTest);
    CPPUNIT_TEST(testValidAddresses);
    CPPUNIT_TEST(testAnInvalidAddressIsAnErrorWithARemedy);
    CPPUNIT_TEST(testAPathMayBeAsLongAsTheKernelAllows);
    CPPUNIT_TEST_SUITE_END();

public:
    void testValidAddresses() {
        const std::tuple<const char *, const char *, const char *> cases[] = {{"3000", "127.0.0.1", "3000"},
                                                                              {"127.0.0.2:80", "127.0.0.2", "80"},
                                                                              {"[::1]:3000", "::1", "3000"},
                                                                              {"*:1", "0.0.0.0", "1"},
                                                                              {"localhost:65535", "127.0.0.1", "65535"},
                                                                              {"example.org:0", "example.org", "0"}};
        for (const auto &[text, host, port] : cases) {
            const auto address = ListenAddress::tcp(text);
            CPPUNIT_ASSERT_EQUAL(std::string(host), address.host);
            CPPUNIT_ASSERT_EQUAL(std::string(port), address.port);
            CPPUNIT_ASSERT(address.path.empty());
        }
    }

    void testAnInvalidAddressIsAnErrorWithARemedy() {
        for (const std::string text :
             {"", "x", "localhost", ":3000", "a:", "a:65536", "a:123456", "a:-1", "a:8o", "[]:80", "::1:80"}) {
            const std::string message = thrownBy<std::invalid_argument>([&] { ListenAddress::tcp(text); }).what();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(message, std::size_t(0), message.find('"' + text + '"'));
            CPPUNIT_ASSERT_MESSAGE(message, message.find("write ") != std::string::npos);
        }
    }

    void testAPathMayBeAsLongAsTheKernelAllows() {
        constexpr std::size_t LONGEST = 107;
        CPPUNIT_ASSERT_EQUAL(LONGEST, ListenAddress::unixSocket(std::string(LONGEST, 'x')).path.size());
        thrownBy<std::invalid_argument>([] { ListenAddress::unixSocket(std::string(LONGEST + 1, 'x')); });
        thrownBy<std::invalid_argument>([] { ListenAddress::unixSocket(""); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ListenAddressTest);

}  // namespace Passenger
