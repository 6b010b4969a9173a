#include "bridge/AppCommand.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <string>

namespace Passenger {

using Bridge::AppCommand;

class AppCommandTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppCommandTest);
    CPPUNIT_TEST(testOnlyThePythonLoaderIsMarkedAsOurLoader);
    CPPUNIT_TEST_SUITE_END();

    static AppCommand from(const std::map<std::string, std::string> &options) {
        return AppCommand::fromOptions(options, "/library", 4000, "/folder/socket");
    }

public:
    void testOnlyThePythonLoaderIsMarkedAsOurLoader() {
        const AppCommand wsgi = from({{"app_type", "wsgi"}});
        CPPUNIT_ASSERT(wsgi.isOurLoader);
        CPPUNIT_ASSERT_EQUAL(std::string("python3 /library/python/wsgi_loader.py passenger_wsgi.py"), wsgi.text());
        CPPUNIT_ASSERT(!from({{"app_type", "node"}}).isOurLoader);
        CPPUNIT_ASSERT(!from({{"start_command", "serve"}}).isOurLoader);
        // The start command runs, so there is no loader.
        CPPUNIT_ASSERT(!from({{"app_type", "wsgi"}, {"start_command", "serve"}}).isOurLoader);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppCommandTest);

}  // namespace Passenger
