#include "apache2/config/FairnessSource.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class FairnessSourceTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FairnessSourceTest);
    CPPUNIT_TEST(testEachKindIsUnderstoodInAnyCase);
    CPPUNIT_TEST(testANameIsKeptAsItIs);
    CPPUNIT_TEST(testOtherTextsAreRefused);
    CPPUNIT_TEST_SUITE_END();

    using Kind = FairnessSource::Kind;

    static Kind kindOf(const char *text) {
        const auto source = FairnessSource::parse(text);
        CPPUNIT_ASSERT_MESSAGE(text, source.has_value());
        return source->kind;
    }
    static std::string nameIn(const char *text) { return FairnessSource::parse(text).value().name; }

public:
    void testEachKindIsUnderstoodInAnyCase() {
        CPPUNIT_ASSERT(kindOf("off") == Kind::OFF);
        CPPUNIT_ASSERT(kindOf("Off") == Kind::OFF);
        CPPUNIT_ASSERT(kindOf("CLIENT") == Kind::CLIENT);
        CPPUNIT_ASSERT(kindOf("user") == Kind::USER);
        CPPUNIT_ASSERT(kindOf("Header:x") == Kind::HEADER);
        CPPUNIT_ASSERT(kindOf("env:x") == Kind::VARIABLE);
    }

    void testANameIsKeptAsItIs() {
        CPPUNIT_ASSERT_EQUAL(std::string("X-Api-Key"), nameIn("header:X-Api-Key"));
        CPPUNIT_ASSERT_EQUAL(std::string("Tenant_1"), nameIn("env:Tenant_1"));
        CPPUNIT_ASSERT_EQUAL(std::string("a:b"), nameIn("env:a:b"));
    }

    void testOtherTextsAreRefused() {
        for (const char *text : {"", "on", "clients", "header", "header:", "header:a b", "header:a:b", "header:\xe4",
                                 "env", "env:", "env:a=b", "env:a b", "%{REMOTE_ADDR}"}) {
            CPPUNIT_ASSERT_MESSAGE(text, !FairnessSource::parse(text));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FairnessSourceTest);

}  // namespace Passenger
