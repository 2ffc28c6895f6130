@echo off
rem Find a Python that this stick has packages for, and have start.py do the rest.
setlocal
set "found="
for %%v in (@PYTHONS@) do call :look %%v
if not defined found goto none
%found% -B "%~dp0start.py" %*
set "result=%errorlevel%"
goto end

:look
call :ask %1 py -%1
call :ask %1 python%1
call :ask %1 python
call :ask %1 python3
exit /b

:ask
if defined found exit /b
%2 %3 -c "import sys; sys.exit(not sys.version.startswith('%1.'))" >nul 2>nul && set "found=%2 %3"
exit /b

:none
echo No Python was found that fits this stick.
type "%~dp0get-python.txt"
set "result=1"

:end
rem a window opened by a double click would close before anybody has read why it ended
if not "%result%"=="0" if "%~1"=="" pause
exit /b %result%
