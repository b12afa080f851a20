// interrupt.exe DIRECTORY COMMAND: starts the command with a standard input that stays open, sends it Ctrl-C once there is a file
// in DIRECTORY, and ends with its exit status; 255 if that cannot be done, or if there is no file within a minute.

#include <windows.h>
#include <stdio.h>

static int has_file(const char *directory) {
  char pattern[MAX_PATH];
  WIN32_FIND_DATAA entry;
  int found = 0;
  snprintf(pattern, sizeof pattern, "%s\\*", directory);
  HANDLE search = FindFirstFileA(pattern, &entry);
  if (search == INVALID_HANDLE_VALUE) return 0;
  do found |= !(entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY); while (FindNextFileA(search, &entry));
  FindClose(search);
  return found;
}

int main(int count, char **args) {
  STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  PROCESS_INFORMATION process;
  HANDLE open_end;
  DWORD status = 255;
  if (count != 3 || !CreatePipe(&start.hStdInput, &open_end, &inherited, 0)) return 255;
  SetHandleInformation(open_end, HANDLE_FLAG_INHERIT, 0);
  start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  if (!CreateProcessA(NULL, args[2], NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) return 255;
  int found = has_file(args[1]);
  for (int tries = 0; tries < 6000 && !found; tries++) {
    Sleep(10);
    found = has_file(args[1]);
  }
  // All programs of the console receive Ctrl-C, this one too.
  SetConsoleCtrlHandler(NULL, TRUE);
  if (!found || !GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) || WaitForSingleObject(process.hProcess, 60000) != WAIT_OBJECT_0 ||
      !GetExitCodeProcess(process.hProcess, &status)) {
    TerminateProcess(process.hProcess, 255);
    return 255;
  }
  return status;
}
