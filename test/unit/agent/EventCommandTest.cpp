#include "agent/EventCommand.h"

#include <cppunit/extensions/HelperMacros.h>
#include <boost/thread/exceptions.hpp>

#include "log/Log.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"

namespace Passenger {

class EventCommandTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(EventCommandTest);
    CPPUNIT_TEST(testAThreadThatCouldNotBeStartedIsStartedByTheNextSettings);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAThreadThatCouldNotBeStartedIsStartedByTheNextSettings() {
        const CapturedLog log;
        AgentSettings settings;
        settings.onEvent = "/bin/false";
        EventCommand command([] { return EventCommand::Refusals(); });
        {
            const NoThreads limit;
            CPPUNIT_ASSERT_THROW(command.use(settings), boost::thread_resource_error);
        }
        command.use(settings);
        Log::error("event=spawn.failed app=\"blog\" error=\"no such file\"");
        // It tells that the command has ended, or why it cannot start it.
        CPPUNIT_ASSERT(eventually([&] { return log.contains("event=event_command.failed"); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EventCommandTest);

}  // namespace Passenger
