#pragma once

#include <map>
#include <string>
#include <vector>

#include "commands/InstallCheck.h"
#include "commands/ProgramOutput.h"
#include "control/AppStatus.h"

namespace Passenger {

/**
 * What applications need for their start: the folder, the startup file, the interpreter and native
 * code, as the running agent or httpd's configuration has them. Blocks: it runs each interpreter
 * once, as root only ruby, node and python that no other user can replace.
 */
class AppCheck {
public:
    std::vector<Finding> check(const AppStatus &app);
    /** Whether instances of this Ruby find native code. A Ruby that does not run has no finding. */
    std::vector<Finding> checkNativeCode(const std::string &subject, const std::string &ruby);

private:
    void checkInterpreter(const AppStatus &app, const std::string &subject, std::vector<Finding> &findings);

    /** What interpreters say about their version, and Rubys about the folder of native code. */
    std::map<std::string, ProgramOutput> versions_;
    std::map<std::string, ProgramOutput> nativeFolders_;
};

}  // namespace Passenger
