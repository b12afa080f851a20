// no_stdin.exe COMMAND: starts the command without a standard input, and ends with its exit status; 255 if that cannot be done.

#include <windows.h>

int main(int count, char **args) {
  STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  PROCESS_INFORMATION process;
  DWORD status = 255;
  if (count != 2) return 255;
  start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  if (!CreateProcessA(NULL, args[1], NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) return 255;
  if (WaitForSingleObject(process.hProcess, 60000) != WAIT_OBJECT_0 || !GetExitCodeProcess(process.hProcess, &status))
    TerminateProcess(process.hProcess, 255);
  return status;
}
