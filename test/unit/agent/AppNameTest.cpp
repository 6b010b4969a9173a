#include "agent/AppName.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class AppNameTest : public CPPUNIT_NS::TestFixture {
    CPPUNIT_TEST_SUITE(AppNameTest);
    CPPUNIT_TEST(testTheUsualNamesHaveParts);
    CPPUNIT_TEST(testOtherNamesHaveNone);
    CPPUNIT_TEST_SUITE_END();

    static std::string parts(const std::string &name) {
        const AppName app(name);
        return app.root() + "|" + app.environment() + "|" + app.user() + "|" + app.group();
    }

public:
    void testTheUsualNamesHaveParts() {
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog|production||"), parts("/srv/blog (production)"));
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/a (b)|staging||"), parts("/srv/a (b) (staging)"));
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog|production|alice|"), parts("/srv/blog (production) as alice"));
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog|production|alice|web"),
                             parts("/srv/blog (production) as alice:web"));
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog|production||web"), parts("/srv/blog (production) as :web"));
    }

    void testOtherNamesHaveNone() {
        for (const char *name : {"", "blog", "blog (production)", "/srv/blog", "/srv/blog (production"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(name, std::string("|||"), parts(name));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppNameTest);

}  // namespace Passenger
