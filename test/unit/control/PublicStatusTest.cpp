#include "control/PublicStatus.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/HasText.h"
#include "support/SampleStatus.h"

namespace Passenger {

class PublicStatusTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PublicStatusTest);
    CPPUNIT_TEST(testNothingOfAnApplicationsInsideIsLeft);
    CPPUNIT_TEST(testNamesHaveNoPath);
    CPPUNIT_TEST(testANameDependsOnItsApplicationAlone);
    CPPUNIT_TEST_SUITE_END();

public:
    void testNothingOfAnApplicationsInsideIsLeft() {
        AppStatus app = sampleApp("/srv/secret-customer/blog");
        app.failure = FailureStatus{"00c0ffee", "no such file /srv/secret-customer/x", "alice should look", 3};
        app.startupFile = "/srv/secret-customer/blog/config.ru";
        app.interpreter = "/opt/alice/ruby";
        app.instances[0].applicationPid = 4711;
        const ServerStatus status = publicPart(sampleStatus({app}));
        const std::string json = toJson(status);
        for (const char *part : {"secret-customer", "alice", "4711", "4712", "instance.started", ":101"}) {
            CPPUNIT_ASSERT_MESSAGE(part, !hasText(json, part));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("00c0ffee"), status.apps[0].failure->report);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, status.apps[0].instances.size());
    }

    void testNamesHaveNoPath() {
        AppStatus named = sampleApp("/srv/shop");
        named.name = "our shop";
        AppStatus user = sampleApp("/srv/wiki");
        user.name += " as alice:staff";
        const ServerStatus status =
            publicPart(sampleStatus({sampleApp("/srv/blog"), sampleApp("/srv/api/current"), named, user}));
        CPPUNIT_ASSERT_EQUAL(std::string("blog (production) #2257531e"), status.apps[0].name);
        CPPUNIT_ASSERT_EQUAL(std::string("api/current (production) #262f6f44"), status.apps[1].name);
        CPPUNIT_ASSERT_EQUAL(std::string("our shop"), status.apps[2].name);
        CPPUNIT_ASSERT_EQUAL(std::string("wiki (production) #fb395016"), status.apps[3].name);
    }

    void testANameDependsOnItsApplicationAlone() {
        const AppStatus one = sampleApp("/home/a/blog");
        const AppStatus two = sampleApp("/home/b/blog");
        AppStatus user = one;
        user.name += " as alice:staff";
        const ServerStatus both = publicPart(sampleStatus({one, two, user}));
        const ServerStatus alone = publicPart(sampleStatus({one}));
        CPPUNIT_ASSERT_EQUAL(both.apps[0].name, alone.apps[0].name);
        CPPUNIT_ASSERT_EQUAL(both.apps[1].name, publicPart(sampleStatus({two})).apps[0].name);
        CPPUNIT_ASSERT(both.apps[0].name != both.apps[1].name);
        CPPUNIT_ASSERT(both.apps[0].name != both.apps[2].name);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PublicStatusTest);

}  // namespace Passenger
