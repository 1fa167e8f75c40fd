"""Lines that sites and authors put at the end of a chapter, in many languages.

Each is the whole line: `Continuará…`, `Следующая глава`, `다음 화에 계속`, thanks for reading. They
go at the ends of a chapter only, as those of site_ends do, and those of LAST at its tail alone.
"""

from __future__ import annotations

_ADDRESS = r"(?:https?://|www\.)?[\w-]{1,40}(?:\.[\w-]{1,20}){0,3}\.[a-z]{2,8}\b\S{0,80}"
_DOTS = r"[\s.…!]{0,6}"
_ORDINAL = r"(?: [\w-]{1,16}){0,2}"

# After the last words of a chapter, never before its first.
LAST = (
    rf"(?:fortsetzung folgt|à suivre|continuará|продолжение следует|далі буде|devam edecek|"
    rf"ciąg dalszy nastąpi|pokračování příště|còn tiếp|bersambung|fortsättning följer|"
    rf"wordt vervolgd){_DOTS}",
    rf"(?:ende|fim|koniec|konec|vége|finis|кінець|τέλος|τελος|hết|kết thúc|จบ(?:บริบูรณ์)?|"
    rf"النهاية|تمت|انتهى|ה?סוף|समाप्त|इति){_DOTS}|"
    r"[（(<\[【]?\s?(?:끝|완|終|終わり|おわり|了|完|全[书書]?[完终終]|大[结結]局)\s?[）)>\]】]?|"
    r"《[^《》]{1,20}》\s?(?:全[书書]|全文)?[完终終]|"
    rf"(?-i:(?:THE )?END OF [A-Z][A-Z’' -]{{2,40}}){_DOTS}",
    rf"(?:ende (?:des|von)|fin (?:du|de la)|fin del?(?: la)?|fim d[oa]|fine del(?:la)?)"
    rf"(?: (?:ersten|zweiten|dritten|vierten|prima?o?|second[oa]|terz[oa]))?"
    rf" (?:kapitels?|teils?|bandes?|buch(?:e?s)?|chapitre|partie|livre|tome|roman|capítulo|parte|"
    rf"libro|livro|novela|cuento|obra|tomo|capitolo|volume|romanzo){_ORDINAL}{_DOTS}",
    rf"конец{_ORDINAL} (?:книги|части|тома|главы){_DOTS}|koniec rozdziału{_DOTS}|bölüm sonu{_DOTS}|"
    rf"hết chương(?: \d{{1,4}})?{_DOTS}",
    r"[<\[(]?\s?(?:제\s?)?\d{1,4}\s?[화장편회].{0,20}?[>\])]?\s?끝\s?[>\])]?",
    r"[（(【]?\s?(?:続く|つづく|第.{1,6}話.{0,10}[完了終])\s?[）)】]?[。…]{0,3}",
    r"[（(【]?第.{1,8}[章回节節卷部集]\s?[（(]?[完终終][）)]?[）)】]?",
)
# In books of one language only: in others they are prose. The first go after the last words.
LAST_IN = {"it": r"FINE[\s.…!]{0,6}", "tr": r"SON[\s.…!]{0,6}"}
_NEXT = (
    r"(?:nächstes|voriges|vorheriges) kapitel|chapitre (?:suivant|précédent)|"
    r"capítulo (?:siguiente|anterior)|próximo capítulo|capitolo (?:successivo|precedente)|"
    r"(?:следующая|предыдущая) глава|(?:наступний|попередній) розділ|(?:następny|poprzedni) "
    r"rozdział|(?:sonraki|önceki) bölüm|chương (?:sau|trước|tiếp)|bab (?:selanjutnya|sebelumnya)|"
    r"(?:이전|다음) ?[화편](?: ?보기)?|[次前]の話"
)
_INDEX = "목록|оглавление|inhaltsverzeichnis|sommaire|índice|目次"
_BETWEEN = r"[\s|»›>→<«‹←/·\[\]-]{1,8}"
# Who translated a chapter into Vietnamese, by names in capitals: `Dịch: Đầu giường ánh trăng rọi`
# is a line of verse.
_ROLE = (
    r"(?:edit(?:or)?|beta(?:-?reader)?|dịch(?: giả)?|người dịch|biên tập|chuyển ngữ|convert(?:er)?)"
    r"(?: ?[&+/,] ?(?:edit(?:or)?|beta|dịch|convert)){0,2}"
)
_NAME = r"(?:(?-i:[^\W\d_a-zà-ỹđ])[\w.'-]{0,20}(?: (?=[^\W_])|(?![\w ]))){1,4}"
_TRANSLATORS = (
    rf"(?i){_ROLE}\s?[:：]\s?{_NAME}(?:\s?[-–—|/,;&]\s?{_ROLE}\s?[:：]\s?{_NAME}){{0,3}}|"
    r"(?:nguồn(?: convert| dịch)?|raw)\s?[:：]\s?(?:wattpad|tấn giang|wikidich|tàng thư viện|"
    r"sưu tầm|internet|facebook)\b.{0,30}"
)
# Thanks with a plea for what sites count. Thanks for reading alone may end a letter: they stay,
# and so do the reviews, awards and recommendations that people in a story ask for.
_PLEAS = (
    r"(?=.*лайк)(?!.*(?:[—–«»]|\bона?\b|сказал)).{0,60}\b(?:ставьте|ставить|пишите|жду|"
    r"оставляйте|подписывайтесь|подписываться|спасибо за)\b.{0,80}",
    r"vielen dank fürs lesen\s?[!.,](?=.*(?:kommentar|review|bewert|stern)).{0,100}",
    r"merci d['’]avoir lu\s?[!.,](?=.*(?:commentaire|vote|avis|review)).{0,100}",
    r"¡?gracias por leer\s?[!.,](?=.*(?:comentar|votar|voten|comenten|comentario)).{0,100}",
    r"obrigad[oa] por ler\s?[!.,](?=.*(?:coment|vot)).{0,100}",
    r"(?:선작|선호작|추천[과,] ?댓글|댓글)[^.“”\"]{0,24}"
    r"(?:힘이 됩니다|감사(?:합니다|드립니다))[.!~\s]{0,4}",
    r"(?:후원|쿠폰)[^.“”\"]{0,12}독자님[^.“”\"]{0,8}감사(?:합니다|드립니다)[.!~\s]{0,4}",
    r"[^「」。]{0,24}(?:ブックマーク|ブクマ)[^「」。]{0,8}お願い(?:し|いたし|致し)ます[。！!]{0,3}",
    r"[^「」。]{0,16}☆{3,5}[^「」。]{1,6}★{3,5}[^「」。]{0,16}[。！!]{0,3}",
    r"次回(?:の)?(?:更新|投稿)は[^「」。]{1,20}[。！!]{0,3}",
    r"誤字(?:脱字)?(?:の)?(?:ご)?報告[^「」。]{0,8}ありがとうございます[。！!]{0,3}",
)
LINES = {
    "notice": (
        r"(?:본|이) 작품은 (?:픽션|허구)[^“”\"]{0,60}",
        r"※?\s?この(?:作品|物語|小説)はフィクションです(?:。(?:実在の.{0,60})?)?",
        r"(?:カクヨム|小説家になろう|なろう|アルファポリス|pixiv)(?:様)?(?:に|で)も(?:投稿|掲載|連載)"
        r"して(?:い|お)?(?:り)?ます[。！!]{0,3}",
    ),
    "navigation": (
        rf"(?:(?:{_INDEX}){_BETWEEN})?(?:{_NEXT})(?:{_BETWEEN}(?:{_NEXT}|{_INDEX})){{0,4}}",
        r"(?:zurück )?zum inhaltsverzeichnis|retour (?:au sommaire|à la table des matières)|"
        r"оставить комментарий|связаться с программистом сайта[.]?|"
        r"volver al índice|вернуться к (?:оглавлению|содержанию)",
    ),
    "credits": (
        rf"(?:эта )?(?:книга )?(?:была )?(?:загружена|скачана|скачано|взята) (?:с|на) "
        rf"сайт[ае] {_ADDRESS}",
        rf"больше книг на сайте {_ADDRESS}",
        r"©\s?copyright [^.?!]{2,60}(?:\([^()\s]{1,40}@[^()\s]{1,40}\))",
    ),
    "advertisement": (
        r"безопасно оплатить книгу можно банковской картой.{0,300}",
        *_PLEAS,
    ),
    "author's note": (
        r"(?:от автора|примечани[ея] автора|nota d(?:el|e la|o|a) autora?|note de l['’]aut(?:eur|"
        r"rice)|anmerkung (?:des autors|der autorin)|作者より)\s*[:：].{0,200}",
    ),
}
CREDITS_IN = {"vi": _TRANSLATORS}
MAY_BEGIN = (
    "fortset|à su|conti|продол|далі|devam|ciąg|pokra|còn|bersa|fortsä|wordt|ende|fine|fim|kon|son|"
    "vége|slut|einde|hết|끝|終|お|完|конец|bölüm|제|続|つ|第|nächs|vori|vorh|chapitre|capít|próx|"
    "capit|след|предыд|насту|попер|nastę|poprz|önce|chương|bab|이전|다음|목록|оглав|inhalt|somm|"
    "índ|目|zur|zum|retour|volver|верн|эта|книга|загр|скач|взят|больше|безоп|от а|прим|nota|note |"
    "anmer|©|остав|связ|"
    "作者|본|이 |この|カク|小説|なろ|アル|pixiv"
)
MAY_HOLD = "лайк|ank fürs|avoir lu|por leer|por ler|감사|힘이 됩|ありがとう|お願い|★★|次回|끝|완결"
