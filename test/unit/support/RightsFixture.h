#pragma once

#include <cppunit/TestAssert.h>
#include <cppunit/TestFixture.h>

#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "io/AgentSettings.h"
#include "io/Frame.h"
#include "rights/OwnRights.h"
#include "rights/RightsMessages.h"
#include "rights/RightsServer.h"

namespace Passenger {

/** A RightsServer that starts applications of any folder as nobody, and requests to it. */
class RightsFixture : public CppUnit::TestFixture {
public:
    void setUp() override {
        configure("server\nany folder\nuser nobody\n");
        server_.usePool(63170, 4711);
    }
    void tearDown() override { ::unlink(path_.c_str()); }

protected:
    static constexpr uid_t NOBODY = 65534;

    void configure(const std::string &grants) {
        AgentSettings settings;
        settings.grants = grants;
        settings.appFiles = path_;
        settings.preStart = "http://127.0.0.1/a";
        server_.configure(settings);
    }

    Frame ask(std::vector<std::string> fields) {
        return server_.answer(Frame(FrameType::RIGHTS_REQUEST, std::move(fields)));
    }

    void assertRefused(std::vector<std::string> fields, const std::string &reason) {
        const std::string name = fields.empty() ? "nothing" : fields[0];
        const Frame answer = ask(std::move(fields));
        CPPUNIT_ASSERT_MESSAGE(name, answer.type == FrameType::AGENT_FAILED);
        CPPUNIT_ASSERT_MESSAGE(name + ": " + answer.field(1), answer.field(1).find(reason) != std::string::npos);
        CPPUNIT_ASSERT(answer.descriptors.empty());
    }

    const std::string path_ = "/tmp/passenger-unit-RightsServerTest." + std::to_string(::getpid());
    OwnRights own_;
    RightsServer server_{own_, ::getpid()};
};

}  // namespace Passenger
