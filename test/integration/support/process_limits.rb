# frozen_string_literal: true

require_relative "environment"

# Soft limits of processes of httpd's user.
module ProcessLimits
  # `kind`: an option of prlimit, as `nofile`. Only the process's own user may set it everywhere.
  def limit(pid, kind, most)
    user = TestEnvironment.web_user
    switch = ["setpriv", "--reuid=#{user}", "--regid=#{user}", "--clear-groups"]
    command = ["prlimit", "--pid", pid.to_s, "--#{kind}=#{most}:"]
    system(*(TestEnvironment.root? ? switch : []), *command, exception: true)
  end
end
