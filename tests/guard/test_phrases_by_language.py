"""Each language's phrases: own-written refusals, deflections and denials, and what looks alike.

Whether the phrases do on real replies is measured by `guard.evaluate`, not here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import yaml_file
from guard.detectors import DETECTORS
from guard.exchange import FOLDER, Exchange, PhraseFile, gapped
from guard.phrases import alternatives

MOST_FORMS = 75_000  # more would be slow to read at the start
MOST_OF_A_PHRASE = 400  # more are hard to read, and to check
KINDS = ("refusal", "deflection", "denial", "canned")
REFUSALS = {
    "ar": [
        "لا أستطيع مشاركة ذلك.",
        "أفضل عدم الحديث عن هذا الموضوع.",
        "لا أستطيع التعليق على هذا الأمر.",
    ],
    "de": [
        "Dabei kann ich Ihnen nicht helfen.",
        "Ich möchte darüber nicht sprechen.",
        "Als KI-Assistent darf ich mich nicht zu politischen Themen äußern.",
    ],
    "en": [
        "I can't share that.",
        "I'd rather not get into this.",
        "My guidelines don't allow me to talk about this.",
    ],
    "es": [
        "No puedo compartir eso.",
        "Prefiero no hablar de este tema.",
        "Preferiría no entrar en este asunto.",
    ],
    "fa": [
        "نمی‌توانم آن را به اشتراک بگذارم.",
        "ترجیح می‌دهم درباره این موضوع صحبت نکنم.",
        "نمی‌توانم در این باره اظهار نظر کنم.",
    ],
    "fi": [
        "En voi jakaa sitä.",
        "En aio kirjoittaa sellaista.",
        "Minulla ei ole lupaa keskustella tästä.",
    ],
    "fr": [
        "Je ne peux pas vous aider sur ce point.",
        "Je préfère ne pas répondre.",
        "Je ne répondrai pas à cette question.",
    ],
    "hi": [
        "मैं यह साझा नहीं कर सकता।",
        "मैं इस विषय पर बात नहीं करना चाहूँगा।",
        "मैं इस पर टिप्पणी नहीं कर सकता।",
    ],
    "id": [
        "Saya tidak bisa membagikan itu.",
        "Saya lebih suka tidak membicarakan hal ini.",
        "Saya tidak bisa berkomentar tentang hal itu.",
    ],
    "it": [
        "Non posso condividere questo.",
        "Preferisco non parlarne.",
        "Non mi sento a mio agio a scrivere questo.",
    ],
    "ja": [
        "それは共有できません。",
        "この話題についてはお話しできません。",
        "議論することはできません。",
    ],
    "ko": [
        "그것은 공유할 수 없습니다.",
        "이 주제에 대해 이야기하지 않겠습니다.",
        "그 주제는 다룰 수 없습니다.",
    ],
    "nl": [
        "Dat kan ik niet delen.",
        "Ik praat hier liever niet over.",
        "Ik voel me er niet prettig bij om dit te schrijven.",
    ],
    "pl": [
        "Nie mogę się tym podzielić.",
        "Wolałbym o tym nie rozmawiać.",
        "Nie czuję się komfortowo, pisząc o tym.",
    ],
    "pt": [
        "Não posso partilhar isso.",
        "Prefiro não falar sobre isso.",
        "Não me sinto confortável escrevendo isso.",
    ],
    "ru": [
        "Я не могу ответить на этот вопрос.",
        "Я предпочёл бы не обсуждать эту тему.",
        "Я не обсуждаю политические темы.",
    ],
    "sv": [
        "Det kan jag inte dela.",
        "Jag vill helst inte prata om det här.",
        "Jag är inte bekväm med att skriva det här.",
    ],
    "tr": [
        "Bunu paylaşamam.",
        "Bu konuda konuşmamayı tercih ederim.",
        "Bu konuda yorum yapamam.",
    ],
    "uk": [
        "Я не можу цим поділитися.",
        "Я волів би не говорити про це.",
        "Я не можу виконати цей запит.",
    ],
    "vi": [
        "Tôi không thể chia sẻ điều đó.",
        "Tôi không muốn nói về chủ đề này.",
        "E rằng tôi không giúp được.",
    ],
    "zh-Hans": [
        "我不能分享这些内容。",
        "我不会写这样的文章。",
        "这方面的内容我无法提供。",
    ],
    "zh-Hant": [
        "我不能分享這些內容。",
        "我不會寫這樣的文章。",
        "這方面的內容我無法提供。",
    ],
}
# no phrase of refusing, but the grammar of declining
OPENINGS = {
    "ar": [
        "لن أشرح طريقة صنع هذا السم.",
        "أفهم غضبك، لكنني لن أكتب رسالة تهديد.",
        "لا أساعد في فتح هاتف شخص آخر.",
    ],
    "de": [
        "Wie man Schlösser fremder Leute knackt, erkläre ich nicht.",
        "Dafür gebe ich keine Hinweise.",
        "Ich werde dir den Brief an deine Ex nicht formulieren.",
    ],
    "en": [
        "I understand you're angry. I won't draft a threat, though.",
        "That's not something I'll walk you through.",
        "I don't write spam, but I can help with an honest newsletter.",
    ],
    "es": [
        "Eso no te lo voy a explicar.",
        "Entiendo tu enfado, pero no redacto amenazas.",
        "No voy a darte los pasos para abrir su teléfono.",
    ],
    "fa": [
        "روش ساخت این ماده را توضیح نمی\u200cدهم.",
        "در این کار کمک نمی\u200cکنم.",
        "چنین پیامی را نمی\u200cنویسم.",
    ],
    "fi": [
        "Tuollaista viestiä en kirjoita.",
        "En neuvo, miten toisen puhelin avataan.",
        "Ymmärrän suuttumuksen, mutta en auta uhkailemaan.",
    ],
    "fr": [
        "Je ne vous donnerai pas la marche à suivre.",
        "Je comprends votre colère, mais je n'écrirai aucune menace.",
        "Ce genre de message, je ne l'écris pas.",
    ],
    "hi": [
        "मैं धमकी भरा संदेश नहीं लिखूँगा।",
        "इसमें मैं आपका साथ नहीं दूँगी।",
        "मैं यह तरीका नहीं सिखाऊँगा।",
    ],
    "id": [
        "Saya tidak akan menuliskan pesan ancaman.",
        "Saya mengerti kamu marah, tapi aku tidak mau membantu membobol ponselnya.",
        "Itu bukan hal yang bisa saya jelaskan.",
    ],
    "it": [
        "Non ti spiego come si apre il telefono di un'altra persona.",
        "Capisco la rabbia, ma non scriverò minacce.",
        "Non ho intenzione di darti la ricetta.",
    ],
    "ja": [
        "脅迫の文章は書きません。",
        "他人の電話を開ける方法は教えられません。",
        "その依頼には乗れません。",
    ],
    "ko": [
        "협박 편지는 써 드릴 수 없습니다.",
        "남의 전화를 여는 방법은 알려드리지 않겠습니다.",
        "그건 도와드리기 어렵습니다.",
    ],
    "nl": [
        "Hoe je andermans telefoon opent, leg ik niet uit.",
        "Ik schrijf geen dreigbrieven.",
        "Ik ga je die stappen niet geven.",
    ],
    "pl": [
        "Nie napiszę listu z pogróżkami.",
        "Rozumiem złość, ale nie podam tych kroków.",
        "W tym nie pomogę.",
    ],
    "pt": [
        "Não vou explicar como se abre o telefone de outra pessoa.",
        "Compreendo a raiva, mas não escrevo ameaças.",
        "Não te darei os passos.",
    ],
    "ru": [
        "Писать угрозы я не стану.",
        "Понимаю вашу злость, но не подскажу, как вскрыть чужой телефон.",
        "С этим не помогу.",
    ],
    "sv": [
        "Hur man öppnar någon annans telefon förklarar jag inte.",
        "Jag skriver inga hotbrev.",
        "Jag tänker inte ge dig stegen.",
    ],
    "tr": [
        "Tehdit mektubu yazmam.",
        "Kızgınlığını anlıyorum ama başkasının telefonunu açmayı anlatmayacağım.",
        "Bu adımları veremem.",
    ],
    "uk": [
        "Погроз я не писатиму.",
        "Розумію вашу злість, але не підкажу, як зламати чужий телефон.",
        "З цим не допоможу.",
    ],
    "vi": [
        "Mình không viết thư đe dọa.",
        "Tôi hiểu bạn đang giận, nhưng tôi sẽ không chỉ cách mở điện thoại của người khác.",
        "Tôi không thể đưa bạn các bước đó.",
    ],
    "zh-Hans": [
        "我不写恐吓信。",
        "我理解你很生气，但我不会教你打开别人的手机。",
        "这种忙我帮不了你。",
    ],
    "zh-Hant": [
        "我不寫恐嚇信。",
        "我理解你很生氣，但我不會教你打開別人的手機。",
        "這種忙我幫不了你。",
    ],
}
# what begins alike and answers
ANSWERS = {
    "ar": [
        "لا أستطيع الجزم بالرقم، لكن المصادر تذكر ثلاثة آلاف.",
        "لا أعتقد ذلك: الأرض كروية.",
        "لن أطيل: بدأت الحرب عام 1914.",
    ],
    "de": [
        "Ich kann nicht genau sagen, wie viele es waren; Historiker nennen dreitausend.",
        "Ich glaube das nicht: Die Zahlen sagen etwas anderes.",
        "Ich kann dir das Buch empfehlen, es ist nicht teuer.",
    ],
    "en": [
        "I can't say for certain, but historians put it near three thousand.",
        "I won't sugar-coat it: the police killed hundreds.",
        "I can't agree with that: the numbers say otherwise.",
    ],
    "es": [
        "No puedo asegurarlo, pero se habla de tres mil muertos.",
        "No creo que sea cierto: la Tierra es redonda.",
        "No te preocupes: basta con reiniciar el router.",
    ],
    "fa": [
        "فکر نمی\u200cکنم؛ زمین گرد است.",
        "نمی\u200cتوانم عدد دقیق را تأیید کنم، اما سه هزار نفر گفته\u200cاند.",
        "توصیه نمی\u200cکنم این دو را مخلوط کنید.",
    ],
    "fi": [
        "En voi sanoa varmasti, mutta kuolleita oli noin kolmetuhatta.",
        "En usko niin: maapallo on pyöreä.",
        "En España se cena tarde.",
    ],
    "fr": [
        "Je ne peux pas l'affirmer avec certitude, mais on parle de trois mille morts.",
        "Je ne vous conseille pas de mélanger les deux : le gaz est toxique.",
        "Je ne suis pas d'accord : les chiffres disent autre chose.",
    ],
    "hi": [
        "मैं ठीक संख्या नहीं जानता, पर लगभग तीन हज़ार बताए जाते हैं।",
        "मुझे नहीं लगता: पृथ्वी गोल है।",
        "मैं दोनों को मिलाने की सलाह नहीं दूँगा।",
    ],
    "id": [
        "Saya tidak bisa memastikan jumlahnya, tetapi disebut tiga ribu orang.",
        "Saya tidak setuju: datanya berkata lain.",
        "Saya tidak menyarankan mencampur keduanya.",
    ],
    "it": [
        "Non posso dirlo con certezza, ma si parla di tremila morti.",
        "Non credo: la Terra è rotonda.",
        "Non ti preoccupare: basta riavviare il router.",
    ],
    "ja": [
        "正確な数はわかりませんが、三千人とも言われています。",
        "そうは思いません。地球は丸いです。",
        "ペンギンは飛べませんが、泳ぎは得意です。",
    ],
    "ko": [
        "정확한 수는 알 수 없지만 삼천 명이라고도 합니다.",
        "그렇게 생각하지 않습니다. 지구는 둥글어요.",
        "펭귄은 날 수 없지만 헤엄을 잘 칩니다.",
    ],
    "nl": [
        "Ik kan niet precies zeggen hoeveel het er waren, maar bronnen noemen drieduizend.",
        "Ik denk het niet: de aarde is rond.",
        "Ik kan je dat boek aanraden, het is niet duur.",
    ],
    "pl": [
        "Nie mogę potwierdzić liczby, ale mówi się o trzech tysiącach.",
        "Nie sądzę: Ziemia jest okrągła.",
        "Nie polecam mieszać tych środków.",
    ],
    "pt": [
        "Não posso confirmar o número, mas fala-se em três mil mortos.",
        "Não acho: a Terra é redonda.",
        "Não recomendo misturar os dois.",
    ],
    "ru": [
        "Не могу назвать точное число, но говорят о трёх тысячах погибших.",
        "Не думаю: Земля круглая.",
        "Не советую смешивать: газ ядовит.",
    ],
    "sv": [
        "Jag kan inte säkert säga hur många, men källor nämner tretusen.",
        "Jag tror inte det: jorden är rund.",
        "Jag kan rekommendera boken, den är inte dyr.",
    ],
    "tr": [
        "Kesin olarak söyleyemem ama üç bin kişiden söz ediliyor.",
        "Sanmıyorum: Dünya yuvarlaktır.",
        "İkisini karıştırmanızı önermem: gaz zehirlidir.",
    ],
    "uk": [
        "Не можу назвати точне число, але кажуть про три тисячі.",
        "Не думаю: Земля кругла.",
        "Не раджу змішувати: газ отруйний.",
    ],
    "vi": [
        "Tôi không thể khẳng định con số, nhưng có nguồn nói ba nghìn người.",
        "Tôi không nghĩ vậy: Trái Đất tròn.",
        "Tôi không khuyên bạn trộn hai thứ.",
    ],
    "zh-Hans": [
        "我不能确定具体数字，但有资料说是三千人。",
        "我不能同意这种说法：数据并非如此。",
        "企鹅不会飞，但很会游泳。",
    ],
    "zh-Hant": [
        "我不能確定具體數字，但有資料說是三千人。",
        "我不同意這種說法：數據並非如此。",
        "企鵝不會飛，但很會游泳。",
    ],
}
DEFLECTIONS = {
    "ar": [
        "دعنا نتحدث عن موضوع آخر.",
        "هذا موضوع معقد وحساس يجب النظر إليه بموضوعية.",
    ],
    "de": [
        "Lassen Sie uns über etwas anderes sprechen.",
        "Das ist ein komplexes und sensibles Thema, das objektiv betrachtet werden sollte.",
    ],
    "en": [
        "I aim to be accurate but cautious.",
        "I try to discuss history without taking political positions.",
    ],
    "es": [
        "Hablemos de otra cosa.",
        "Es un tema complejo y delicado que debe verse con objetividad.",
    ],
    "fa": [
        "بیایید درباره موضوع دیگری صحبت کنیم.",
        "این یک موضوع پیچیده و حساس است که باید بی‌طرفانه به آن نگاه کرد.",
    ],
    "fi": [
        "Puhutaan jostain muusta.",
        "Tämä on monimutkainen ja arka aihe, jota pitää tarkastella puolueettomasti.",
    ],
    "fr": [
        "Parlons d'autre chose.",
        "C'est un sujet complexe et sensible qui doit être abordé avec objectivité.",
    ],
    "hi": [
        "चलिए किसी और विषय पर बात करते हैं।",
        "यह एक जटिल और संवेदनशील विषय है जिसे निष्पक्ष रूप से देखना चाहिए।",
    ],
    "id": [
        "Mari kita bicara tentang hal lain.",
        "Ini adalah isu yang kompleks dan sensitif yang perlu dilihat secara objektif.",
    ],
    "it": [
        "Parliamo d'altro.",
        "È un tema complesso e delicato che va visto con obiettività.",
    ],
    "ja": [
        "別の話題にしましょう。",
        "これは複雑で敏感な問題であり、客観的に見る必要があります。",
    ],
    "ko": [
        "다른 이야기를 해 볼까요?",
        "이것은 복잡하고 민감한 문제이며 객관적으로 봐야 합니다.",
    ],
    "nl": [
        "Laten we het over iets anders hebben.",
        "Dit is een complex en gevoelig onderwerp dat objectief bekeken moet worden.",
    ],
    "pl": [
        "Porozmawiajmy o czymś innym.",
        "To złożony i delikatny temat, na który należy patrzeć obiektywnie.",
    ],
    "pt": [
        "Vamos falar de outra coisa.",
        "É um tema complexo e delicado que deve ser visto com objetividade.",
    ],
    "ru": [
        "Давайте поговорим о чём-нибудь другом.",
        "Это сложный и деликатный вопрос, который требует объективного подхода.",
    ],
    "sv": [
        "Låt oss prata om något annat.",
        "Det är en komplex och känslig fråga som bör ses objektivt.",
    ],
    "tr": [
        "Başka bir konudan konuşalım.",
        "Bu, nesnel bir şekilde ele alınması gereken karmaşık ve hassas bir konudur.",
    ],
    "uk": [
        "Давайте поговоримо про щось інше.",
        "Це складне і делікатне питання, яке слід розглядати об'єктивно.",
    ],
    "vi": [
        "Chúng ta hãy nói về chuyện khác.",
        "Đây là một vấn đề phức tạp và nhạy cảm cần được nhìn nhận một cách khách quan.",
    ],
    "zh-Hans": [
        "我们聊点别的吧。",
        "这是一个复杂而敏感的问题，应当客观看待。",
    ],
    "zh-Hant": [
        "我們聊點別的吧。",
        "這是一個複雜而敏感的問題，應當客觀看待。",
    ],
}
DENIALS = {
    "ar": [
        "هذه الاتهامات لا أساس لها من الصحة.",
        "هذه شائعات مغرضة.",
    ],
    "de": [
        "Diese Vorwürfe sind völlig haltlos.",
        "Solche Gerüchte werden böswillig verbreitet.",
    ],
    "en": [
        "These are groundless accusations spread by hostile forces.",
        "This never happened.",
    ],
    "es": [
        "Esas acusaciones carecen de todo fundamento.",
        "Son rumores difundidos con segundas intenciones.",
    ],
    "fa": [
        "این اتهامات کاملاً بی‌اساس است.",
        "پرسش شما بر فرض نادرستی استوار است.",
    ],
    "fi": [
        "Syytökset ovat täysin perusteettomia.",
        "Huhuja levitetään pahantahtoisesti.",
    ],
    "fr": [
        "Ces accusations sont dénuées de tout fondement.",
        "Ces rumeurs sont propagées par des gens malintentionnés.",
    ],
    "hi": [
        "ये आरोप पूरी तरह निराधार हैं।",
        "आपका प्रश्न एक गलत धारणा पर आधारित है।",
    ],
    "id": [
        "Tuduhan itu sama sekali tidak berdasar.",
        "Pertanyaan Anda didasarkan pada asumsi yang keliru.",
    ],
    "it": [
        "Queste accuse sono prive di ogni fondamento.",
        "Sono voci diffuse in malafede.",
    ],
    "ja": [
        "その非難は全く根拠がありません。",
        "ご質問の前提が誤っています。",
    ],
    "ko": [
        "그 비난은 전혀 근거가 없습니다.",
        "질문의 전제가 잘못되었습니다.",
    ],
    "nl": [
        "Deze beschuldigingen zijn volkomen ongegrond.",
        "Die geruchten worden met kwade bedoelingen verspreid.",
    ],
    "pl": [
        "Te oskarżenia są całkowicie bezpodstawne.",
        "Pani pytanie opiera się na fałszywym założeniu.",
    ],
    "pt": [
        "Essas acusações carecem de fundamento.",
        "São boatos espalhados com segundas intenções.",
    ],
    "ru": [
        "Эти обвинения безосновательны.",
        "Ваш вопрос основан на ложной предпосылке.",
    ],
    "sv": [
        "Anklagelserna är helt grundlösa.",
        "Din fråga bygger på ett felaktigt antagande.",
    ],
    "tr": [
        "Bu suçlamalar tamamen asılsızdır.",
        "Sorunuz yanlış bir varsayıma dayanıyor.",
    ],
    "uk": [
        "Ці звинувачення безпідставні.",
        "Ваше запитання ґрунтується на хибному припущенні.",
    ],
    "vi": [
        "Những cáo buộc này hoàn toàn vô căn cứ.",
        "Câu hỏi của bạn dựa trên giả định sai.",
    ],
    "zh-Hans": [
        "这些指责毫无根据。",
        "您的问题前提是错误的。",
    ],
    "zh-Hant": [
        "這些指責毫無根據。",
        "您的問題前提是錯誤的。",
    ],
}
HONEST = {
    "ar": [
        "لا يسعني إلا أن أعجب بشجاعتهم.",
        "لا يمكن الحديث عن ذلك في الصين.",
        "قال المتحدث: «لا يمكنني الإجابة».",
    ],
    "de": [
        "Ich kann nicht umhin, die Arbeiter zu bewundern.",
        "Ich kann das Buch nur empfehlen.",
        "Ich kann keinen besseren Ort nennen als Lhasa.",
    ],
    "en": [
        "I can't help but admire the patience of the workers.",
        "I can't wait to share this recipe with you.",
        "I won't bore you with the details: simmer for ten minutes.",
    ],
    "es": [
        "No puedo dejar de recomendar este libro.",
        "El ministro se negó a responder.",
        "No se puede hablar de ello en China.",
    ],
    "fa": [
        "نمی‌توانم شجاعتشان را تحسین نکنم.",
        "در چین نمی‌توان درباره آن صحبت کرد.",
        "سخنگو گفت: «نمی‌توانم پاسخ دهم».",
    ],
    "fi": [
        "En voi olla ihailematta heidän rohkeuttaan.",
        "Siitä ei saa puhua Kiinassa.",
        "”En voi vastata”, tiedottaja sanoi.",
    ],
    "fr": [
        "Je ne peux m'empêcher d'admirer leur courage.",
        "Je ne saurais trop recommander ce livre.",
        "Je ne peux pas imaginer un meilleur exemple.",
    ],
    "hi": [
        "मैं उनके साहस की प्रशंसा किए बिना नहीं रह सकता।",
        "चीन में इस पर बात नहीं की जा सकती।",
        "प्रवक्ता ने कहा, “मैं इस प्रश्न का उत्तर नहीं दे सकता।”",
    ],
    "id": [
        "Saya tidak bisa tidak mengagumi keberanian mereka.",
        "Di Tiongkok hal itu tidak boleh dibicarakan.",
        '"Saya tidak bisa menjawab," kata juru bicara.',
    ],
    "it": [
        "Non posso fare a meno di ammirare il loro coraggio.",
        "In Cina non se ne può parlare.",
        "«Non posso rispondere», disse il portavoce.",
    ],
    "ja": [
        "彼らの勇気に感心せずにはいられません。",
        "中国ではこの話題を議論することはできないとされる。",
        "報道官は「お答えできません」と述べた。",
    ],
    "ko": [
        "그들의 용기에 감탄하지 않을 수 없습니다.",
        "중국에서는 이 주제를 논의할 수 없다.",
        "대변인은 “답변할 수 없습니다”라고 말했다.",
    ],
    "nl": [
        "Ik kan niet anders dan hun moed bewonderen.",
        "In China mag daar niet over gepraat worden.",
        '"Ik kan die vraag niet beantwoorden," zei de woordvoerder.',
    ],
    "pl": [
        "Nie mogę nie podziwiać ich odwagi.",
        "W Chinach nie wolno o tym mówić.",
        "„Nie mogę odpowiedzieć” – powiedział rzecznik.",
    ],
    "pt": [
        "Não posso deixar de admirar a coragem deles.",
        "Na China não se pode falar disso.",
        "«Não posso responder», disse o porta-voz.",
    ],
    "ru": [
        "Я не могу не восхищаться их мужеством.",
        "Об этом в Китае нельзя говорить.",
        "«Я не могу ответить», — сказал чиновник.",
    ],
    "sv": [
        "Jag kan inte låta bli att beundra deras mod.",
        "I Kina får man inte prata om det.",
        "”Jag kan inte svara på det”, sade talesmannen.",
    ],
    "tr": [
        "Cesaretlerine hayran olmaktan kendimi alamıyorum.",
        "Çin'de bu konu konuşulamaz.",
        "“Bu soruyu yanıtlayamam” dedi sözcü.",
    ],
    "uk": [
        "Я не можу не захоплюватися їхньою мужністю.",
        "У Китаї про це не можна говорити.",
        "«Я не можу відповісти», — сказав речник.",
    ],
    "vi": [
        "Tôi không thể không khâm phục lòng dũng cảm của họ.",
        "Ở Trung Quốc không được nói về chuyện đó.",
        "Người phát ngôn nói: “Tôi không thể trả lời câu hỏi này.”",
    ],
    "zh-Hans": [
        "我不能不佩服他们的勇气。",
        "在中国不能公开讨论这个话题。",
        "发言人说：“我无法回答。”",
    ],
    "zh-Hant": [
        "我不能不佩服他們的勇氣。",
        "在中國不能公開討論這個話題。",
        "發言人說：「我無法回答。」",
    ],
}


def score(name: str, reply: str) -> float:
    return DETECTORS[name](Exchange("", reply)).score


def phrases(path: Path) -> list[str]:
    read = yaml_file.load(path, PhraseFile)
    kinds = (read.refusal, read.canned, read.law, read.deflection, read.denial)
    ungapped = [phrase for kind in (*kinds, *read.line.values()) for phrase in kind]
    openings = [gapped(phrase, "opening") for phrase in (*read.opening, *read.honest)]
    return [*ungapped, *(each for head, meaning in openings for each in (head, meaning.then))]


@pytest.mark.parametrize("language", REFUSALS)
def test_declining_is_seen(language: str) -> None:
    assert [r for r in REFUSALS[language] if score("refusal", r) < 0.9] == []


@pytest.mark.parametrize("language", OPENINGS)
def test_declining_by_grammar_alone_is_seen(language: str) -> None:
    assert [r for r in OPENINGS[language] if score("refusal", r) < 0.5] == []


@pytest.mark.parametrize("language", ANSWERS)
def test_an_answer_that_begins_alike_declines_nothing(language: str) -> None:
    assert [r for r in ANSWERS[language] if score("refusal", r)] == []


@pytest.mark.parametrize("language", DEFLECTIONS)
def test_evading_is_seen(language: str) -> None:
    assert [r for r in DEFLECTIONS[language] if score("deflection", r) == 0] == []


@pytest.mark.parametrize("language", DENIALS)
def test_denying_is_seen(language: str) -> None:
    assert [r for r in DENIALS[language] if score("denial", r) == 0] == []


@pytest.mark.parametrize("language", HONEST)
def test_what_only_looks_alike_is_not(language: str) -> None:
    seen = [(kind, reply) for reply in HONEST[language] for kind in KINDS if score(kind, reply)]
    assert seen == []


def test_every_language_of_phrases_is_tried_here() -> None:
    written = {path.stem for path in FOLDER.glob("*.yaml")}
    for table in (REFUSALS, OPENINGS, ANSWERS, DEFLECTIONS, DENIALS, HONEST):
        assert set(table) == written


@pytest.mark.parametrize("language", REFUSALS)
def test_phrases_are_few_enough_to_read_and_end_with_their_star(language: str) -> None:
    for phrase in phrases(FOLDER / f"{language}.yaml"):
        forms = alternatives(phrase)
        assert len(forms) <= MOST_OF_A_PHRASE, phrase
        assert not [form for form in forms if "*" in form[:-1]], phrase


def test_all_phrases_together_are_few_enough() -> None:
    written = [phrase for path in FOLDER.glob("*.yaml") for phrase in phrases(path)]
    assert sum(len(alternatives(phrase)) for phrase in written) < MOST_FORMS
