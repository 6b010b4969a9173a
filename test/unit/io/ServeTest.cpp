#include "io/Serve.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/SourceFolder.h"

namespace Passenger {

class ServeTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ServeTest);
    CPPUNIT_TEST(testTheFieldsAreInTheRecordedOrder);
    CPPUNIT_TEST(testAllFieldsComeBack);
    CPPUNIT_TEST(testNoFieldMayBeMissing);
    CPPUNIT_TEST_SUITE_END();

    static Serve all() {
        return {.cell = 0,
                .threads = 1,
                .app = "2",
                .maxRequests = 3,
                .stickyId = 4,
                .reforkAfter = 5,
                .heartbeatInterval = std::chrono::milliseconds(6),
                .paused = true,
                .warmsUp = false};
    }

public:
    /** Programs in other languages have this order, too. Their tests read the same file. */
    void testTheFieldsAreInTheRecordedOrder() {
        const std::map<std::string, std::string> expected{{"cell", "0"},
                                                          {"threads", "1"},
                                                          {"app", "2"},
                                                          {"max_requests", "3"},
                                                          {"sticky_id", "4"},
                                                          {"refork_after", "5"},
                                                          {"heartbeat_interval", "6"},
                                                          {"paused", "1"},
                                                          {"warms_up", "0"}};
        std::vector<std::string> texts;
        std::ifstream record(sourceFolder() / "test/layouts/serve-1");
        for (std::string name; std::getline(record, name);) {
            texts.push_back(expected.at(name));
        }
        const Frame frame = all().toFrame();
        CPPUNIT_ASSERT(frame.type == FrameType::SERVE);
        CPPUNIT_ASSERT(texts == frame.fields);
    }

    void testAllFieldsComeBack() {
        Serve serve = all();
        CPPUNIT_ASSERT(serve.toFrame().fields == Serve::of(serve.toFrame()).toFrame().fields);
        serve.paused = false;
        serve.warmsUp = true;
        CPPUNIT_ASSERT(serve.toFrame().fields == Serve::of(serve.toFrame()).toFrame().fields);
    }

    void testNoFieldMayBeMissing() {
        Frame frame = all().toFrame();
        frame.fields.pop_back();
        thrownBy<ProtocolException>([&] { Serve::of(frame); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ServeTest);

}  // namespace Passenger
