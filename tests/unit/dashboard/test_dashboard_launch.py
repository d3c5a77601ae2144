import socket

from dashboard.launch import main


def test_a_taken_port_is_refused_with_what_to_do(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code = main(["--port", str(taken.getsockname()[1]), "--home", str(tmp_path)])
    assert code == 1
    assert "choose another with --port, or 0 for any" in capsys.readouterr().err


def test_an_impossible_port_is_refused(tmp_path, capsys):
    assert main(["--port", "99999", "--home", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_folder_is_refused(tmp_path, capsys):
    assert main(["--home", str(tmp_path / "nowhere")]) == 1
    assert "is not a folder" in capsys.readouterr().err
