#include "base/SipHash.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class SipHashTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SipHashTest);
    CPPUNIT_TEST(testTheHashesAreThoseOfThePaper);
    CPPUNIT_TEST(testAnotherSecretMakesAnotherHash);
    CPPUNIT_TEST_SUITE_END();

    static SipHash::Secret secret() {
        SipHash::Secret bytes;
        for (std::size_t i = 0; i < bytes.size(); i++) {
            bytes[i] = static_cast<unsigned char>(i);
        }
        return bytes;
    }

    static std::string textOf(std::size_t size) {
        std::string text;
        for (std::size_t i = 0; i < size; i++) {
            text += static_cast<char>(i);
        }
        return text;
    }

public:
    /** Appendix A, and the first values of its authors' test vectors. */
    void testTheHashesAreThoseOfThePaper() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0xa129ca6149be45e5}, SipHash::of(textOf(15), secret()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0x726fdb47dd0e0e31}, SipHash::of(textOf(0), secret()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0x93f5f5799a932462}, SipHash::of(textOf(8), secret()));
    }

    void testAnotherSecretMakesAnotherHash() {
        CPPUNIT_ASSERT(SipHash::of("192.0.2.1", secret()) != SipHash::of("192.0.2.1", {}));
        CPPUNIT_ASSERT(SipHash::of("192.0.2.1", secret()) != SipHash::of("192.0.2.2", secret()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SipHashTest);

}  // namespace Passenger
